package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"
)

// What follows speaks PostgreSQL's protocol 3.0 as far as prepared statements need it: a
// driver costs several times as much as the loop around it.

// appendMessage appends a message of that kind; body appends what is in it.
func appendMessage(out []byte, kind byte, body func([]byte) []byte) []byte {
	out = append(out, kind, 0, 0, 0, 0)
	at := len(out)
	out = body(out)
	binary.BigEndian.PutUint32(out[at-4:], uint32(len(out)-at+4))
	return out
}

func appendZero(out []byte, s string) []byte { return append(append(out, s...), 0) }

// appendCall binds text parameters to a prepared statement and has it carried out.
func appendCall(out []byte, statement string, params ...string) []byte {
	out = append(out, 'B', 0, 0, 0, 0)
	at := len(out)
	out = append(out, 0) // the unnamed portal
	out = appendZero(out, statement)
	out = append(out, 0, 0) // all parameters as text
	out = binary.BigEndian.AppendUint16(out, uint16(len(params)))
	for _, p := range params {
		out = binary.BigEndian.AppendUint32(out, uint32(len(p)))
		out = append(out, p...)
	}
	out = append(out, 0, 0) // all results as text
	binary.BigEndian.PutUint32(out[at-4:], uint32(len(out)-at+4))
	return append(out, 'E', 0, 0, 0, 9, 0, 0, 0, 0, 0, 'S', 0, 0, 0, 4)
}

// callAnswer finds the answer to a call at the beginning of in: how many rows it touched.
func callAnswer(in []byte) (rows, length int, err error) {
	for at := 0; at+5 <= len(in); {
		size := int(binary.BigEndian.Uint32(in[at+1:]))
		end := at + 1 + size
		if end > len(in) {
			return 0, 0, nil
		}
		switch body := in[at+5 : end]; in[at] {
		case 'C': // INSERT 0 1, UPDATE 1, SELECT 1
			tag := strings.TrimSuffix(string(body), "\x00")
			if rows, err = strconv.Atoi(tag[strings.LastIndexByte(tag, ' ')+1:]); err != nil {
				return 0, 0, fmt.Errorf("PostgreSQL answered %q", tag)
			}
		case 'E':
			return 0, 0, fmt.Errorf("PostgreSQL answered %q", body)
		case 'Z':
			return rows, end, nil
		}
		at = end
	}
	return 0, 0, nil
}

// postgresTalker is greeted and has its statements prepared before it is measured.
type postgresTalker struct{}

func (postgresTalker) greet(c net.Conn) error {
	p, err := greetPostgres(c)
	if err != nil {
		return err
	}
	for _, s := range postgresStatements {
		out := appendMessage(nil, 'P', func(b []byte) []byte {
			b = appendZero(appendZero(b, s.name), s.text)
			b = binary.BigEndian.AppendUint16(b, uint16(len(s.types)))
			for _, t := range s.types {
				b = binary.BigEndian.AppendUint32(b, t)
			}
			return b
		})
		if _, err := c.Write(append(out, 'S', 0, 0, 0, 4)); err != nil {
			return err
		}
		if err := p.untilReady(nil); err != nil {
			return fmt.Errorf("prepare %s: %w", s.name, err)
		}
	}
	return nil
}

// postgresCustomer asks PostgreSQL.
type postgresCustomer struct {
	postgresTalker
	*customer
}

func (t *postgresCustomer) ask(out []byte) []byte {
	t.decide()
	switch t.call {
	case callConfirm:
		return appendCall(out, "confirm", t.asked.id)
	case callCancel:
		return appendCall(out, "cancel", t.asked.id)
	}
	ln := t.asked.lines[0]
	sku, location := t.v.name(ln.position)
	return appendCall(out, "reserve", t.asked.id, sku, location, strconv.Itoa(int(ln.pieces)), strconv.Itoa(holdSeconds))
}

func (t *postgresCustomer) take(in []byte) (length, kind int, units int64, err error) {
	rows, length, err := callAnswer(in)
	if err != nil || length == 0 {
		return length, 0, 0, err
	}
	kind, units, err = t.told(rows == 1)
	return length, kind, units, err
}

// postgresGetter reads what is available of a position.
type postgresGetter struct {
	postgresTalker
	repeater
}

func (t *postgresGetter) take(in []byte) (length, kind int, units int64, err error) {
	rows, length, err := callAnswer(in)
	if err == nil && length > 0 && rows != 1 {
		err = errors.New("PostgreSQL has no such position")
	}
	return length, 0, 1, err
}

// postgresConn is for what is not measured.
type postgresConn struct {
	net.Conn
	in *bufio.Reader
}

func (s *postgresServer) withConn(f func(*postgresConn) error) error {
	c, err := net.DialTimeout("tcp", s.addr, 5*time.Second)
	if err != nil {
		return err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(10 * time.Minute))
	p, err := greetPostgres(c)
	if err != nil {
		return err
	}
	return f(p)
}

func greetPostgres(c net.Conn) (*postgresConn, error) {
	hello := appendMessage(nil, 0, func(b []byte) []byte {
		b = binary.BigEndian.AppendUint32(b, 3<<16)
		for _, s := range []string{"user", "bench", "database", "postgres", ""} {
			b = appendZero(b, s)
		}
		return b
	})
	if _, err := c.Write(hello[1:]); err != nil { // the first message has no kind
		return nil, err
	}
	p := &postgresConn{c, bufio.NewReaderSize(c, 64<<10)}
	return p, p.untilReady(nil)
}

// query carries out statements as text; row gets the fields of each row.
func (p *postgresConn) query(text string, row func(fields []string)) error {
	if _, err := p.Write(appendMessage(nil, 'Q', func(b []byte) []byte { return appendZero(b, text) })); err != nil {
		return err
	}
	return p.untilReady(row)
}

// copyIn carries out a COPY FROM STDIN of n rows in text format.
func (p *postgresConn) copyIn(text string, n int, row func(out []byte, i int) []byte) error {
	if _, err := p.Write(appendMessage(nil, 'Q', func(b []byte) []byte { return appendZero(b, text) })); err != nil {
		return err
	}
	const atOnce = 1000
	var out []byte
	for from := 0; from < n; from += atOnce {
		out = appendMessage(out[:0], 'd', func(b []byte) []byte {
			for i := from; i < min(from+atOnce, n); i++ {
				b = row(b, i)
			}
			return b
		})
		if _, err := p.Write(out); err != nil {
			return err
		}
	}
	if _, err := p.Write([]byte{'c', 0, 0, 0, 4}); err != nil {
		return err
	}
	return p.untilReady(nil)
}

// untilReady reads answers until the server is ready for the next query.
func (p *postgresConn) untilReady(row func(fields []string)) error {
	var failure error
	var head [5]byte
	var body []byte
	for {
		if _, err := io.ReadFull(p.in, head[:]); err != nil {
			return errors.Join(failure, err)
		}
		body = append(body[:0], make([]byte, binary.BigEndian.Uint32(head[1:])-4)...)
		if _, err := io.ReadFull(p.in, body); err != nil {
			return errors.Join(failure, err)
		}
		switch head[0] {
		case 'E':
			failure = errors.Join(failure, fmt.Errorf("PostgreSQL answered %q", body))
			if string(body[:6]) == "SFATAL" {
				return failure
			}
		case 'R':
			if kind := binary.BigEndian.Uint32(body); kind != 0 {
				return fmt.Errorf("PostgreSQL wants authentication of kind %d", kind)
			}
		case 'D':
			if row != nil {
				row(rowFields(body))
			}
		case 'Z':
			return failure
		}
	}
}

func rowFields(body []byte) []string {
	fields := make([]string, binary.BigEndian.Uint16(body))
	body = body[2:]
	for i := range fields {
		n := int32(binary.BigEndian.Uint32(body))
		body = body[4:]
		if n > 0 {
			fields[i] = string(body[:n])
			body = body[n:]
		}
	}
	return fields
}
