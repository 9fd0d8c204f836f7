package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Redis as a team would build reservations on it: a hash for each position, one for each
// reservation, and a sorted set of deadlines for a sweeper. A script is atomic, and
// appendfsync always answers once the disk has it; the commands of one turn of its event
// loop share a sync. It does not rewrite its file meanwhile.

// reserveScript gives an id used before its state again, as onhand does.
const reserveScript = `
local known = redis.call('HGET', KEYS[2], 'state')
if known then return known end
local f = redis.call('HMGET', KEYS[1], 'on_hand', 'unsellable', 'held', 'committed', 'safety')
if not f[1] then return redis.error_reply('unknown position') end
local n = tonumber(ARGV[1])
if f[1] - f[2] - f[3] - f[4] - f[5] < n then return 'insufficient' end
redis.call('HINCRBY', KEYS[1], 'held', n)
redis.call('HSET', KEYS[2], 'state', 'held', 'position', KEYS[1], 'quantity', n, 'expires', ARGV[2])
redis.call('ZADD', 'deadlines', ARGV[2], KEYS[2])
return 'held'`

// settleScript confirms or cancels, by ARGV[1], what is held and not past its deadline.
const settleScript = `
local r = redis.call('HMGET', KEYS[1], 'state', 'position', 'quantity', 'expires')
if r[1] ~= 'held' or tonumber(r[4]) <= tonumber(ARGV[2]) then return r[1] or 'unknown' end
redis.call('HINCRBY', r[2], 'held', -r[3])
if ARGV[1] == 'confirmed' then redis.call('HINCRBY', r[2], 'committed', r[3]) end
redis.call('HSET', KEYS[1], 'state', ARGV[1])
redis.call('ZREM', 'deadlines', KEYS[1])
return ARGV[1]`

type redisServer struct {
	*service
	version         string
	reserve, settle string // digests of the scripts
}

func (b *bed) startRedis(ctx context.Context, r *report) (*redisServer, error) {
	program, err := findProgram(ctx, r, "redis-server", "redis-server")
	if err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	dir, err := b.subdir("redis")
	if err != nil {
		return nil, err
	}
	args := []string{"--bind", "127.0.0.1", "--port", strconv.Itoa(port), "--dir", dir, "--save", "", "--appendonly", "yes",
		"--appendfsync", "always", "--auto-aof-rewrite-percentage", "0", "--daemonize", "no", "--tcp-backlog", "511", "--loglevel", "warning"}
	c, _, err := startChild(program, args, filepath.Join(b.dir, "redis.log"))
	if err != nil {
		return nil, fmt.Errorf("start Redis: %w", err)
	}
	b.onClose(c.stop)
	s := &redisServer{service: &service{addr: fmt.Sprintf("127.0.0.1:%d", port), child: c}, version: versionOf(program)}
	err = poll(ctx, startTimeout, pollEvery, func() error {
		return s.withConn(func(c *redisConn) error { _, err := c.do("PING"); return err })
	})
	if err == nil {
		err = s.withConn(func(c *redisConn) (err error) {
			if s.reserve, err = c.do("SCRIPT", "LOAD", reserveScript); err != nil {
				return err
			}
			s.settle, err = c.do("SCRIPT", "LOAD", settleScript)
			return err
		})
	}
	if err != nil {
		return nil, fmt.Errorf("start Redis: %w\n%s", err, c.tail())
	}
	return s, nil
}

func freePort() (int, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer ln.Close()
	return ln.Addr().(*net.TCPAddr).Port, nil
}

func redisPosition(sku, location string) string { return "p:" + sku + "|" + location }

// load writes the positions.
func (s *redisServer) load(v *reserveScenario) error {
	return s.withConn(func(c *redisConn) error {
		return c.pipeline(len(v.stock), func(p int) []string {
			return []string{"HSET", redisPosition(v.name(int32(p))), "on_hand", strconv.Itoa(int(v.stock[p])),
				"unsellable", "0", "held", "0", "committed", "0", "safety", "0"}
		}, func(int, string) {})
	})
}

// check compares every position and reservation with the client's books.
func (s *redisServer) check(v *reserveScenario) error {
	wrong := &differences{}
	held, committed := v.sums()
	err := s.withConn(func(c *redisConn) error {
		positions := c.pipeline(len(v.stock), func(p int) []string {
			return []string{"HMGET", redisPosition(v.name(int32(p))), "on_hand", "held", "committed"}
		}, func(p int, got string) {
			if want := fmt.Sprintf("%d %d %d", v.stock[p], held[p], committed[p]); got != want {
				wrong.add(fmt.Sprintf("position %d is %q, must be %q", p, got, want))
			}
		})
		return errors.Join(positions, c.pipeline(len(v.bookings), func(i int) []string {
			return []string{"HGET", "r:" + v.bookings[i].id, "state"}
		}, func(i int, got string) {
			if b := v.bookings[i]; got != b.state {
				wrong.add(fmt.Sprintf("%s is %q, must be %q", b.id, got, b.state))
			}
		}))
	})
	return errors.Join(err, wrong.err())
}

// redisCustomer asks Redis.
type redisCustomer struct {
	*customer
	s *redisServer
}

func (t *redisCustomer) ask(out []byte) []byte {
	t.decide()
	now := time.Now().UnixMilli()
	if t.call == callReserve {
		ln := t.asked.lines[0]
		return appendRESP(out, "EVALSHA", t.s.reserve, "2", redisPosition(t.v.name(ln.position)), "r:"+t.asked.id,
			strconv.Itoa(int(ln.pieces)), strconv.FormatInt(now+holdSeconds*1000, 10))
	}
	return appendRESP(out, "EVALSHA", t.s.settle, "1", "r:"+t.asked.id, settledState(t.call), strconv.FormatInt(now, 10))
}

// settledState is what a call makes of a reservation.
func settledState(call int) string {
	return map[int]string{callReserve: "held", callConfirm: "confirmed", callCancel: "cancelled"}[call]
}

func (t *redisCustomer) take(in []byte) (length, kind int, units int64, err error) {
	answer, length, err := bulkAnswer(in)
	if err != nil || length == 0 {
		return length, 0, 0, err
	}
	kind, units, err = t.told(string(answer) == settledState(t.call))
	if err != nil {
		err = fmt.Errorf("%w: %s", err, answer)
	}
	return length, kind, units, err
}

// bulkAnswer reads a bulk string at the beginning of in.
func bulkAnswer(in []byte) (value []byte, length int, err error) {
	end := bytes.IndexByte(in, '\n')
	if end < 0 {
		return nil, 0, nil
	}
	size, err := strconv.Atoi(string(in[1 : end-1]))
	if in[0] != '$' || err != nil || size < 0 {
		return nil, 0, fmt.Errorf("redis answered %q", clip(in))
	}
	if length = end + 1 + size + 2; len(in) < length {
		return nil, 0, nil
	}
	return in[end+1 : end+1+size], length, nil
}

// redisGetter reads one field of a position.
type redisGetter struct{ repeater }

func (t *redisGetter) take(in []byte) (length, kind int, units int64, err error) {
	_, length, err = bulkAnswer(in)
	return length, 0, 1, err
}

// appendRESP appends a command.
func appendRESP(out []byte, words ...string) []byte {
	out = append(out, '*')
	out = strconv.AppendInt(out, int64(len(words)), 10)
	for _, w := range words {
		out = append(out, "\r\n$"...)
		out = strconv.AppendInt(out, int64(len(w)), 10)
		out = append(out, "\r\n"...)
		out = append(out, w...)
	}
	return append(out, "\r\n"...)
}

// redisConn is for what is not measured.
type redisConn struct {
	net.Conn
	in *bufio.Reader
}

func (s *redisServer) withConn(f func(*redisConn) error) error {
	c, err := net.DialTimeout("tcp", s.addr, 5*time.Second)
	if err != nil {
		return err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(10 * time.Minute))
	return f(&redisConn{c, bufio.NewReaderSize(c, 64<<10)})
}

func (c *redisConn) do(words ...string) (string, error) {
	if _, err := c.Write(appendRESP(nil, words...)); err != nil {
		return "", err
	}
	return c.receive()
}

// pipeline asks n commands, many at a time.
func (c *redisConn) pipeline(n int, command func(i int) []string, answer func(i int, got string)) error {
	const atOnce = 1000
	var out []byte
	for from := 0; from < n; from += atOnce {
		out = out[:0]
		to := min(from+atOnce, n)
		for i := from; i < to; i++ {
			out = appendRESP(out, command(i)...)
		}
		if _, err := c.Write(out); err != nil {
			return err
		}
		for i := from; i < to; i++ {
			got, err := c.receive()
			if err != nil {
				return err
			}
			answer(i, got)
		}
	}
	return nil
}

// receive reads an answer; an array's values are put together with spaces.
func (c *redisConn) receive() (string, error) {
	line, err := c.in.ReadString('\n')
	if err != nil {
		return "", err
	}
	line = strings.TrimSuffix(line, "\r\n")
	n, _ := strconv.Atoi(line[1:])
	switch line[0] {
	case '+', ':':
		return line[1:], nil
	case '$':
		if n < 0 {
			return "", nil
		}
		value := make([]byte, n+2)
		if _, err := io.ReadFull(c.in, value); err != nil {
			return "", err
		}
		return string(value[:n]), nil
	case '*':
		values := make([]string, n)
		for i := range values {
			if values[i], err = c.receive(); err != nil {
				return "", err
			}
		}
		return strings.Join(values, " "), nil
	}
	return "", fmt.Errorf("redis answered %q", line)
}
