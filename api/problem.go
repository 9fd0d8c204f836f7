package api

import (
	"errors"
	"strconv"

	"github.com/valyala/fasthttp"

	"onhand/jsonread"
	"onhand/ledger"
)

// statuses are all problem codes and the HTTP status each is answered with.
var statuses = map[string]int{
	"invalid-request": 400, "unauthorized": 401, "not-found": 404, "unknown-sku": 404, "unknown-location": 404,
	"unknown-reservation": 404, "method-not-allowed": 405, "insufficient-stock": 409, "wrong-state": 409,
	"reservation-expired": 409, "over-fulfilment": 409, "over-confirmation": 409, "over-cancellation": 409,
	"location-inactive": 409, "not-a-pickup-location": 409, "in-use": 409, "precondition-failed": 412,
	"request-too-large": 413, "too-many-items": 413, "unsupported-media-type": 415, "invalid-quantity": 422,
	"idempotency-mismatch": 422, "too-many-requests": 429, "internal-error": 500, "not-ready": 503, "overloaded": 503,
}

var contentProblem = []byte("application/problem+json")

// problem answers with a problem of RFC 9457. members are further members, already
// JSON, each with a comma before it: `,"state":"held"`.
func (r *request) problem(code, detail string, members ...string) {
	status := statuses[code]
	b := append(r.out[:0], `{"type":"/problems/`...)
	b = append(b, code...)
	b = append(b, `","title":`...)
	b = jsonread.AppendString(b, fasthttp.StatusMessage(status))
	b = append(b, `,"status":`...)
	b = strconv.AppendInt(b, int64(status), 10)
	b = append(b, `,"detail":`...)
	b = jsonread.AppendString(b, detail)
	for _, m := range members {
		b = append(b, m...)
	}
	b = append(b, '}')
	r.out = b
	if status == 503 || status == 429 {
		r.ctx.Response.Header.Set("Retry-After", "1")
	}
	if status == 401 {
		r.ctx.Response.Header.Set("WWW-Authenticate", "Bearer")
	}
	r.ctx.SetStatusCode(status)
	r.ctx.Response.Header.SetContentTypeBytes(contentProblem)
	r.ctx.SetBody(b)
}

// invalid answers 400 with what was wrong.
func (r *request) invalid(err error) { r.problem("invalid-request", err.Error()) }

// fail answers with what an error of the rooms behind says. It is for errors whose
// answer has no further members.
func (r *request) fail(err error) {
	var refused *ledger.Refused
	switch {
	case errors.As(err, &refused):
		r.problem(refused.Code.String(), refused.Detail)
	case errors.Is(err, ledger.ErrOverloaded):
		r.problem("overloaded", "more changes wait for the disk than are let in")
	case errors.Is(err, ledger.ErrDiskFull), errors.Is(err, ledger.ErrStalled), errors.Is(err, ledger.ErrClosed):
		r.problem("not-ready", err.Error())
	default:
		internalErrors.Inc()
		r.problem("internal-error", err.Error())
	}
}
