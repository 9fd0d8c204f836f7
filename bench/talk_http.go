package main

import (
	"bytes"
	"fmt"
)

// httpAnswer finds a whole answer with a Content-Length at the beginning of in; length
// is 0 while it is not all there.
func httpAnswer(in []byte) (status int, body []byte, length int, err error) {
	end := bytes.Index(in, []byte("\r\n\r\n"))
	if end < 0 {
		return 0, nil, 0, nil
	}
	head := in[:end+2]
	if len(head) < 14 || !bytes.HasPrefix(head, []byte("HTTP/1.1 ")) {
		return 0, nil, 0, fmt.Errorf("not an answer: %q", clip(in))
	}
	for _, digit := range head[9:12] {
		status = status*10 + int(digit-'0')
	}
	name := []byte("\r\nContent-Length: ")
	at := bytes.Index(head, name)
	if at < 0 {
		return 0, nil, 0, fmt.Errorf("an answer without a length: %q", head)
	}
	size := 0
	for _, digit := range head[at+len(name):] {
		if digit < '0' || digit > '9' {
			break
		}
		size = size*10 + int(digit-'0')
	}
	if length = end + 4 + size; len(in) < length {
		return 0, nil, 0, nil
	}
	return status, in[end+4 : length], length, nil
}

// repeater asks requests made beforehand, one after another, and takes only 200.
type repeater struct {
	requests [][]byte
	at       int
}

func (t *repeater) ask(out []byte) []byte {
	t.at++
	return append(out, t.requests[t.at%len(t.requests)]...)
}

func (t *repeater) take(in []byte) (length, kind int, units int64, err error) {
	status, body, length, err := httpAnswer(in)
	if err == nil && length > 0 && status != 200 {
		err = fmt.Errorf("answered %d: %s", status, clip(body))
	}
	return length, 0, 1, err
}
