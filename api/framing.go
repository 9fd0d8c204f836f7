package api

import (
	"bytes"
	"errors"

	"github.com/valyala/fasthttp"
)

var errFraming = errors.New("where the request ends could be read in two ways")

// framed says whether another reader of HTTP, a proxy in front say, finds the same
// headers and the same end of the request as the HTTP library did. The library reads
// leniently: it joins folded lines, takes a space in a name and a bare line feed, and
// where there are both a length and chunks it takes the chunks.
func framed(h *fasthttp.RequestHeader) bool {
	if v := h.Protocol(); string(v) != "HTTP/1.1" && string(v) != "HTTP/1.0" {
		return false
	}
	length, chunks := false, false
	for rest := h.RawHeaders(); len(rest) > 0; {
		end := bytes.IndexByte(rest, '\n')
		if end < 1 || rest[end-1] != '\r' {
			return false
		}
		line := rest[:end-1]
		rest = rest[end+1:]
		if len(line) == 0 {
			break
		}
		colon := bytes.IndexByte(line, ':')
		if colon < 1 || bytes.IndexByte(line[:colon], ' ') >= 0 || bytes.IndexByte(line[:colon], '\t') >= 0 {
			return false
		}
		switch name := line[:colon]; len(name) {
		case len("Content-Length"):
			length = length || bytes.EqualFold(name, []byte("Content-Length"))
		case len("Transfer-Encoding"):
			if bytes.EqualFold(name, []byte("Transfer-Encoding")) {
				chunks = true
				if !bytes.EqualFold(bytes.Trim(line[colon+1:], " \t"), []byte("chunked")) {
					return false
				}
			}
		}
	}
	return !length || !chunks
}
