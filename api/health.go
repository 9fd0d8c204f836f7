package api

import (
	"bytes"

	"github.com/VictoriaMetrics/metrics"
)

// getMetrics answers GET /metrics in Prometheus' text format.
func (r *request) getMetrics() {
	b := bytes.NewBuffer(r.out[:0])
	metrics.WritePrometheus(b, true)
	r.ctx.SetStatusCode(200)
	r.ctx.Response.Header.SetContentType("text/plain; version=0.0.4; charset=utf-8")
	r.ctx.SetBody(b.Bytes())
}

// getHealth answers GET /healthz: the process is up.
func (r *request) getHealth() { r.answer(200, []byte(`{"status":"up"}`)) }

// getReady answers GET /readyz: whether calls would be answered.
func (r *request) getReady() {
	if err := r.s.Ready(); err != nil {
		r.problem("not-ready", err.Error())
		return
	}
	r.answer(200, []byte(`{"status":"ready"}`))
}
