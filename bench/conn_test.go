package main

import (
	"bufio"
	"net"
	"strings"
	"testing"
	"time"
)

// reply answers one connection with the text given, however it is asked.
func reply(t *testing.T, text string) *conn {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		bufio.NewReader(c).ReadString('\n')
		c.Write([]byte(text))
	}()
	c, err := dial(ln.Addr().String(), time.Now().Add(10*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestConnReadsAnswers(t *testing.T) {
	f := func(text string, wantStatus int, wantBodies ...string) {
		t.Helper()
		c := reply(t, text)
		if err := c.send(get("/")); err != nil {
			t.Fatal(err)
		}
		for _, want := range wantBodies {
			status, body, err := c.receive()
			if err != nil || status != wantStatus || string(body) != want {
				t.Errorf("got %d %q %v, want %d %q", status, body, err, wantStatus, want)
			}
		}
	}
	f("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, "hello")
	f("HTTP/1.1 409 Conflict\r\ncontent-length:0\r\nServer: x\r\n\r\n", 409, "")
	f("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\naHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nbc", 200, "a", "bc") // pipelined
	f("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n", 200, "abc0123456789")
}

func TestConnRefusesOtherThings(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		_, _, err := reply(t, text).do(get("/"))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q gave %v, want %q", text, err, want)
		}
	}
	f("SSH-2.0-x\r\n", "not an answer")
	f("HTTP/1.1 200 OK\r\n\r\n", "without a length")
	f("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort", "EOF")
	f("", "EOF")
}
