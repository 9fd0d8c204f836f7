package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"
)

// conn is one keep-alive connection that sends requests made beforehand and reads
// answers into one buffer: a client that costs little beside what it measures. One
// goroutine at a time.
type conn struct {
	net.Conn
	in   *bufio.Reader
	body []byte
}

// dial connects; every request has to be answered before deadline.
func dial(addr string, deadline time.Time) (*conn, error) {
	c, err := net.DialTimeout("tcp", addr, 5*time.Second)
	if err != nil {
		return nil, err
	}
	if err := c.SetDeadline(deadline); err != nil {
		c.Close()
		return nil, err
	}
	return &conn{Conn: c, in: bufio.NewReaderSize(c, 32<<10)}, nil
}

// get is a request; target is a path with its query, already escaped.
func get(target string) []byte {
	return []byte("GET " + target + " HTTP/1.1\r\nHost: onhand\r\n\r\n")
}

// appendPost appends a POST of JSON.
func appendPost(b []byte, target string, body []byte) []byte {
	b = append(b, "POST "...)
	b = append(b, target...)
	b = append(b, " HTTP/1.1\r\nHost: onhand\r\nContent-Type: application/json\r\nContent-Length: "...)
	b = strconv.AppendInt(b, int64(len(body)), 10)
	b = append(b, "\r\n\r\n"...)
	return append(b, body...)
}

// do sends one request. The body belongs to the conn until its next request.
func (c *conn) do(request []byte) (status int, body []byte, err error) {
	if err := c.send(request); err != nil {
		return 0, nil, err
	}
	return c.receive()
}

func (c *conn) send(requests []byte) error {
	_, err := c.Write(requests)
	return err
}

// receive reads the next answer.
func (c *conn) receive() (status int, body []byte, err error) {
	line, err := c.line()
	if err != nil {
		return 0, nil, err
	}
	if len(line) < 12 || !bytes.HasPrefix(line, []byte("HTTP/1.1 ")) {
		return 0, nil, fmt.Errorf("not an answer: %q", line)
	}
	if status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return 0, nil, fmt.Errorf("not an answer: %q", line)
	}
	length, chunked := -1, false
	for {
		if line, err = c.line(); err != nil {
			return 0, nil, err
		}
		if len(line) == 0 {
			break
		}
		if value, ok := header(line, "content-length"); ok {
			if length, err = strconv.Atoi(string(value)); err != nil {
				return 0, nil, fmt.Errorf("header %q: %w", line, err)
			}
		} else if value, ok := header(line, "transfer-encoding"); ok {
			chunked = string(value) == "chunked"
		}
	}
	c.body = c.body[:0]
	switch {
	case chunked:
		err = c.readChunks()
	case length >= 0:
		err = c.readBody(length)
	default:
		err = errors.New("an answer without a length")
	}
	return status, c.body, err
}

// line returns the next line without its end; it dies with the next read.
func (c *conn) line() ([]byte, error) {
	line, err := c.in.ReadSlice('\n')
	if err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(line[:len(line)-1], []byte("\r")), nil
}

// header returns the value of the line if it is of that header; name is in lower case.
func header(line []byte, name string) ([]byte, bool) {
	if len(line) <= len(name) || line[len(name)] != ':' {
		return nil, false
	}
	for i := range len(name) {
		if line[i]|0x20 != name[i]|0x20 {
			return nil, false
		}
	}
	return bytes.TrimSpace(line[len(name)+1:]), true
}

func (c *conn) readBody(n int) error {
	from := len(c.body)
	c.body = append(c.body, make([]byte, n)...)
	_, err := io.ReadFull(c.in, c.body[from:])
	return err
}

func (c *conn) readChunks() error {
	for {
		line, err := c.line()
		if err != nil {
			return err
		}
		n, err := strconv.ParseUint(string(line), 16, 31)
		if err != nil {
			return fmt.Errorf("length of a chunk: %w", err)
		}
		if err := c.readBody(int(n)); err != nil {
			return err
		}
		if line, err = c.line(); err != nil || len(line) != 0 {
			return errors.Join(err, fmt.Errorf("after a chunk: %q", line))
		}
		if n == 0 {
			return nil
		}
	}
}

// expect is do for a request that only one status answers.
func (c *conn) expect(want int, request []byte) ([]byte, error) {
	status, body, err := c.do(request)
	if err == nil && status != want {
		err = fmt.Errorf("answered %d instead of %d: %s", status, want, clip(body))
	}
	return body, err
}

// clip keeps the beginning of an answer for an error.
func clip(body []byte) string { return string(body[:min(len(body), 400)]) }
