package api

import (
	"slices"
	"strconv"
	"time"

	"onhand/ingest"
	"onhand/ingest/format"
)

// postHook takes a webhook's call for a source that configuration knows, with a secret: the
// call carries no key of ours, but a signature by that. What is refused of it becomes dead
// letters, for who calls can do nothing about it.
func (r *request) postHook() {
	i := slices.IndexFunc(r.s.Sources, func(s ingest.Source) bool { return s.Name == string(r.segments[2]) && s.Secret != "" })
	if i < 0 || !r.signed(&r.s.Sources[i]) {
		r.problem("unauthorized", "no source of this name takes webhooks, or the call is not signed with its secret")
		return
	}
	if err := r.onlyParams(); err != nil {
		r.invalid(err)
		return
	}
	done, err := r.s.Ingest.Translate(&r.s.Sources[i], r.ctx.Request.Body(), time.Now())
	if err != nil {
		r.fail(err)
		return
	}
	b := strconv.AppendUint(append(r.out[:0], `{"seq":`...), uint64(done.Seq), 10)
	b = strconv.AppendInt(append(b, `,"accepted":`...), int64(done.Accepted), 10)
	b = strconv.AppendInt(append(b, `,"duplicates":`...), int64(done.Duplicates), 10)
	b = strconv.AppendInt(append(b, `,"refused":`...), int64(done.Refused), 10)
	r.out = append(b, '}')
	r.answer(200, r.out)
}

// signed says whether the call is signed as the source's platform signs.
func (r *request) signed(s *ingest.Source) bool {
	h, body := &r.ctx.Request.Header, r.ctx.Request.Body()
	switch s.Format {
	case "shopify":
		return format.VerifyShopify([]byte(s.Secret), body, string(h.Peek("X-Shopify-Hmac-Sha256")))
	case "square":
		return format.VerifySquare([]byte(s.Secret), s.URL, body, string(h.Peek("X-Square-Hmacsha256-Signature")))
	}
	return false
}
