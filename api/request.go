package api

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"

	"github.com/valyala/fasthttp"

	"onhand/jsonread"
	"onhand/ledger"
)

const segmentsMax = 6

// request is one call being answered. What it hands out of the call (segments,
// query, body) belongs to ctx and dies with it.
type request struct {
	s        *Server
	ctx      *fasthttp.RequestCtx
	segments [segmentsMax][]byte // the path, split, then percent-decoded once
	depth    int
	query    []parameter
	json     jsonread.Reader
	body     []byte // of the request
	out      []byte // the answer being written
	rows     []ledger.Row
}

type parameter struct {
	name string
	raw  []byte // not decoded: lists are split at commas first
}

func (r *request) reset(s *Server, ctx *fasthttp.RequestCtx) {
	r.s, r.ctx, r.depth = s, ctx, 0
	r.query, r.out, r.rows = r.query[:0], r.out[:0], r.rows[:0]
}

// errTooDeep says that no route is so deep.
var errTooDeep = errors.New("no such path")

// parseTarget splits the path first and decodes each segment exactly once, so that
// A%2FB is one segment; nothing is normalised. The query is split, not decoded.
func (r *request) parseTarget() error {
	target := r.ctx.Request.Header.RequestURI()
	path, query, _ := bytes.Cut(withoutAuthority(target), []byte{'?'})
	if len(path) == 0 || path[0] != '/' {
		return errors.New("the path must begin with a slash")
	}
	for rest, more := path[1:], true; more; {
		var seg []byte
		seg, rest, more = bytes.Cut(rest, []byte{'/'})
		if r.depth == segmentsMax {
			return errTooDeep
		}
		decoded, err := unescape(seg)
		if err != nil {
			return fmt.Errorf("path: %w", err)
		}
		r.segments[r.depth] = decoded
		r.depth++
	}
	for len(query) > 0 {
		var pair []byte
		pair, query, _ = bytes.Cut(query, []byte{'&'})
		if len(pair) == 0 {
			continue
		}
		name, raw, _ := bytes.Cut(pair, []byte{'='})
		decoded, err := unescape(name)
		if err != nil {
			return fmt.Errorf("query: %w", err)
		}
		r.query = append(r.query, parameter{string(decoded), raw})
	}
	return nil
}

// withoutAuthority takes http://host off a target in absolute form, which every
// server of HTTP/1.1 has to take.
func withoutAuthority(target []byte) []byte {
	const scheme = "http://"
	if len(target) < len(scheme) || !bytes.EqualFold(target[:len(scheme)], []byte(scheme)) {
		return target
	}
	rest := target[len(scheme):]
	if i := bytes.IndexAny(rest, "/?"); i >= 0 {
		return rest[i:]
	}
	return nil
}

// unescape decodes percent escapes once. A plus is a plus.
func unescape(b []byte) ([]byte, error) {
	if bytes.IndexByte(b, '%') < 0 {
		return b, nil
	}
	out := make([]byte, 0, len(b))
	for i := 0; i < len(b); i++ {
		if b[i] != '%' {
			out = append(out, b[i])
			continue
		}
		if i+2 >= len(b) {
			return nil, errors.New("a percent sign without two hex digits")
		}
		v, err := strconv.ParseUint(string(b[i+1:i+3]), 16, 8)
		if err != nil {
			return nil, errors.New("a percent sign without two hex digits")
		}
		out = append(out, byte(v))
		i += 2
	}
	return out, nil
}

// param returns a query parameter that may be given once.
func (r *request) param(name string) (value string, given bool, err error) {
	for _, p := range r.query {
		if p.name != name {
			continue
		}
		if given {
			return "", false, fmt.Errorf("%s: given twice", name)
		}
		v, err := unescape(p.raw)
		if err != nil {
			return "", false, fmt.Errorf("%s: %w", name, err)
		}
		value, given = string(v), true
	}
	return value, given, nil
}

// params returns a query parameter that may be repeated and holds a list: split at
// commas first, so that %2C is a comma in a value.
func (r *request) params(name string) (values []string, err error) {
	for _, p := range r.query {
		if p.name != name {
			continue
		}
		for _, raw := range bytes.Split(p.raw, []byte{','}) {
			v, err := unescape(raw)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			values = append(values, string(v))
		}
	}
	return values, nil
}

// onlyParams refuses parameters that the call does not know: a misspelt one would
// silently be ignored.
func (r *request) onlyParams(known ...string) error {
next:
	for _, p := range r.query {
		for _, k := range known {
			if p.name == k {
				continue next
			}
		}
		return fmt.Errorf("%s: unknown parameter", p.name)
	}
	return nil
}

// answer sends body as JSON. It is copied.
func (r *request) answer(status int, body []byte) {
	r.ctx.SetStatusCode(status)
	r.ctx.Response.Header.SetContentTypeBytes(contentJSON)
	r.ctx.SetBody(body)
}

var contentJSON = []byte("application/json")
