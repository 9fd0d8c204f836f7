package api

import (
	"bytes"
	"encoding/binary"
	"errors"

	"github.com/zeebo/xxh3"

	"onhand/jsonread"
	"onhand/ledger"
)

// fingerprintSeed is part of what is on disk: with another one no key and no
// reservation would know its first call again.
const fingerprintSeed = 0x6f6e68616e64

const keyBytesMax = 128

var (
	errKeyTwice  = errors.New("Idempotency-Key: given twice")
	errKeyLength = errors.New("Idempotency-Key: want 1 to 128 bytes")

	emptyObject = []byte("{}")
)

// call is the body of a POST that changes something, with what it is known by.
type call struct {
	body []byte
	sum  ledger.Hash    // of the body as parsed JSON
	key  ledger.CallKey // zero without the header
}

// readCall reads the call's body and Idempotency-Key. An empty body is {}. Where
// something is wrong it has answered, and ok is false.
func (r *request) readCall() (c call, ok bool) {
	if err := r.onlyParams(); err != nil {
		r.invalid(err)
		return call{}, false
	}
	c.body = r.ctx.Request.Body()
	if len(c.body) == 0 {
		c.body = emptyObject
	} else if !r.bodyIsJSON() {
		r.problem("unsupported-media-type", "want Content-Type: application/json, without a Content-Encoding")
		return call{}, false
	}
	r.json.Reset(c.body)
	sum := r.json.Fingerprint(fingerprintSeed)
	if err := r.json.End(); err != nil {
		r.invalid(err)
		return call{}, false
	}
	c.sum = ledger.Hash{Hi: binary.BigEndian.Uint64(sum[:]), Lo: binary.BigEndian.Uint64(sum[8:])}
	var err error
	if c.key, err = r.callKey(sum); err != nil {
		r.invalid(err)
		return call{}, false
	}
	r.json.Reset(c.body)
	return c, true
}

func (r *request) bodyIsJSON() bool {
	h := &r.ctx.Request.Header
	media, _, _ := bytes.Cut(h.ContentType(), []byte{';'})
	media = bytes.TrimSpace(media)
	encoding := h.ContentEncoding()
	return (len(media) == 0 || bytes.EqualFold(media, contentJSON)) &&
		(len(encoding) == 0 || bytes.EqualFold(encoding, []byte("identity")))
}

// callKey ties the Idempotency-Key header to method, path and body. The path
// counts as decoded: A and %41 are one.
func (r *request) callKey(sum jsonread.Sum) (ledger.CallKey, error) {
	headers := r.ctx.Request.Header.PeekAll("Idempotency-Key")
	switch {
	case len(headers) == 0:
		return ledger.CallKey{}, nil
	case len(headers) > 1:
		return ledger.CallKey{}, errKeyTwice
	case len(headers[0]) == 0 || len(headers[0]) > keyBytesMax:
		return ledger.CallKey{}, errKeyLength
	}
	var buf [256]byte
	b := append(buf[:0], r.ctx.Method()...)
	for _, seg := range r.segments[:r.depth] {
		b = binary.AppendUvarint(append(b, 0), uint64(len(seg)))
		b = append(b, seg...)
	}
	b = append(append(b, 0), sum[:]...)
	key, of := xxh3.Hash128(headers[0]), xxh3.Hash128(b)
	return ledger.CallKey{Key: ledger.Hash{Hi: key.Hi, Lo: key.Lo}, Call: ledger.Hash{Hi: of.Hi, Lo: of.Lo}}, nil
}
