package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// report is what a run found; marshalled, it is the file of --json.
type report struct {
	Scenario string    `json:"scenario"`
	Machine  machine   `json:"machine"`
	Commit   string    `json:"commit"`
	Command  string    `json:"command"`
	Started  time.Time `json:"started"`
	Measures []measure `json:"measures"`
	Ratios   []ratio   `json:"ratios"`
	Goals    []goal    `json:"goals,omitempty"`
	Notes    []string  `json:"notes"`
	Checks   []check   `json:"checks"`

	out io.Writer // gets progress at once, and the tables at the end
}

type machine struct {
	CPU   string `json:"cpu"`
	Cores int    `json:"cores"`
	OS    string `json:"os"`
	Go    string `json:"go"`
}

// measure is one line of the table of results.
type measure struct {
	Name           string   `json:"name"`
	Round          int      `json:"round,omitempty"` // from 1; 0: there is only one
	Unit           string   `json:"unit"`            // of Count and PerSecond
	Count          int64    `json:"count"`
	Seconds        float64  `json:"seconds"`
	PerSecond      float64  `json:"per_second"`
	Latency        *latency `json:"latency_us,omitempty"`
	SentLateP99    float64  `json:"sent_late_p99_us,omitempty"` // how far the client itself was behind
	ClientSeconds  float64  `json:"client_cpu_seconds"`
	ServiceSeconds float64  `json:"service_cpu_seconds"`
}

// latency is in microseconds.
type latency struct {
	P50  float64 `json:"p50"`
	P90  float64 `json:"p90"`
	P99  float64 `json:"p99"`
	P999 float64 `json:"p99_9"`
	Max  float64 `json:"max"`
}

// ratio compares two figures that were measured in turn; Of is by round.
type ratio struct {
	Name   string    `json:"name"`
	Median float64   `json:"median"`
	Low    float64   `json:"low"`
	High   float64   `json:"high"`
	Of     []float64 `json:"rounds"`
}

// goal is a figure that was to be reached, by the median of its rounds.
type goal struct {
	Name    string    `json:"name"`
	Unit    string    `json:"unit"`
	AtMost  bool      `json:"at_most,omitempty"` // else at least
	Target  float64   `json:"target"`
	Median  float64   `json:"median"`
	Low     float64   `json:"low"`
	High    float64   `json:"high"`
	Of      []float64 `json:"rounds"`
	Reached bool      `json:"reached"`
}

type check struct {
	Name  string `json:"name"`
	OK    bool   `json:"ok"`
	Found string `json:"found,omitempty"` // what is wrong
}

func newReport(scenario string, args []string, out io.Writer) *report {
	r := &report{
		Scenario: scenario,
		Machine:  machine{cpuModel(), runtime.NumCPU(), runtime.GOOS + "/" + runtime.GOARCH, runtime.Version()},
		Commit:   "unknown",
		Command:  "bench " + strings.Join(args, " "),
		Started:  time.Now().UTC(),
		out:      out,
	}
	if commit, err := exec.Command("git", "rev-parse", "--short", "HEAD").Output(); err == nil {
		r.Commit = strings.TrimSpace(string(commit))
		if changed, err := exec.Command("git", "status", "--porcelain").Output(); err == nil && len(changed) > 0 {
			r.Commit += " with changes"
		}
	}
	return r
}

// progress says at once what goes on.
func (r *report) progress(format string, args ...any) {
	fmt.Fprintf(r.out, "%6.1fs "+format+"\n", append([]any{time.Since(r.Started).Seconds()}, args...)...)
}

// note adds a sentence that belongs to the results.
func (r *report) note(format string, args ...any) {
	r.Notes = append(r.Notes, fmt.Sprintf(format, args...))
}

// add reports count units done in the time and with the processor time of busy.
func (r *report) add(name, unit string, round int, count int64, busy usage, h *hdrhistogram.Histogram) *measure {
	r.Measures = append(r.Measures, measure{
		Name: name, Unit: unit, Round: round, Count: count,
		Seconds: busy.wall.Seconds(), PerSecond: float64(count) / busy.wall.Seconds(),
		Latency: latencyOf(h), ClientSeconds: busy.client.Seconds(), ServiceSeconds: busy.service.Seconds(),
	})
	m := &r.Measures[len(r.Measures)-1]
	r.progress("%s: %s %s/s", m.title(), grouped(m.PerSecond), unit)
	return m
}

// addKinds reports each kind of an outcome that happened, as requests.
func (r *report) addKinds(name string, round int, o outcome, kinds []string) {
	for k, t := range o.kinds {
		if t.count == 0 {
			continue
		}
		m := r.add(name+" "+kinds[k], "requests", round, t.count, o.busy, t.latency)
		if o.sentLate.latency != nil {
			m.SentLateP99 = micros(o.sentLate.latency.ValueAtPercentile(99))
		}
	}
	if o.backlog > 0 {
		r.note("%s: %d requests were due and not sent before the time was over; the service could not keep up with the rate asked for", name, o.backlog)
	}
}

func latencyOf(h *hdrhistogram.Histogram) *latency {
	if h == nil || h.TotalCount() == 0 {
		return nil
	}
	at := func(p float64) float64 { return micros(h.ValueAtPercentile(p)) }
	return &latency{at(50), at(90), at(99), at(99.9), micros(h.Max())}
}

func micros(nanos int64) float64 { return float64(nanos/100) / 10 }

// rates are the figures of a measure, by round.
func (r *report) rates(name, unit string) (of []float64) {
	for _, m := range r.Measures {
		if m.Name == name && m.Unit == unit {
			of = append(of, m.PerSecond)
		}
	}
	return of
}

// compare adds the ratio of two figures measured in the same rounds, and returns it by round.
func (r *report) compare(name string, of, against []float64) []float64 {
	q := ratio{Name: name}
	for i := range min(len(of), len(against)) {
		q.Of = append(q.Of, of[i]/against[i])
	}
	if len(q.Of) == 0 {
		return nil
	}
	q.Median, q.Low, q.High = spread(q.Of)
	r.Ratios = append(r.Ratios, q)
	return q.Of
}

// spread is the median, the least and the greatest of figures, of which there is one at least.
func spread(of []float64) (median, low, high float64) {
	sorted := slices.Sorted(slices.Values(of))
	return (sorted[len(sorted)/2] + sorted[(len(sorted)-1)/2]) / 2, sorted[0], sorted[len(sorted)-1]
}

// atLeast and atMost say whether a figure reached its target.
func (r *report) atLeast(name, unit string, target float64, of ...float64) {
	r.goal(goal{Name: name, Unit: unit, Target: target, Of: of})
}

func (r *report) atMost(name, unit string, target float64, of ...float64) {
	r.goal(goal{Name: name, Unit: unit, Target: target, Of: of, AtMost: true})
}

func (r *report) goal(g goal) {
	if len(g.Of) == 0 {
		return // an alternative is missing, which a note says
	}
	g.Median, g.Low, g.High = spread(g.Of)
	g.Reached = g.Median >= g.Target
	if g.AtMost {
		g.Reached = g.Median <= g.Target
	}
	r.Goals = append(r.Goals, g)
	r.progress("%s", g)
}

func (g goal) String() string {
	bound, verdict := "≥", "reached"
	if g.AtMost {
		bound = "≤"
	}
	if !g.Reached {
		verdict = "NOT REACHED"
	}
	return fmt.Sprintf("%s: %s %s (%s to %s), target %s %s: %s", g.Name, figure(g.Median), g.Unit, figure(g.Low), figure(g.High), bound, figure(g.Target), verdict)
}

// figure writes a number with three digits that count.
func figure(v float64) string {
	switch {
	case v >= 100:
		return grouped(v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

// check adds something that must hold; err says how it does not.
func (r *report) check(name string, err error) {
	c := check{Name: name, OK: err == nil}
	if err != nil {
		c.Found = err.Error()
	}
	r.Checks = append(r.Checks, c)
	r.progress("check: %s: %s", name, map[bool]string{true: "yes", false: "NO"}[c.OK])
}

// verdict is an error when a check failed.
func (r *report) verdict() error {
	var failed []error
	for _, c := range r.Checks {
		if !c.OK {
			failed = append(failed, fmt.Errorf("failed: %s: %s", c.Name, c.Found))
		}
	}
	return errors.Join(failed...)
}

func (r *report) writeJSON(file string) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("results as JSON: %w", err)
	}
	return os.WriteFile(file, append(text, '\n'), 0o644)
}

func (m *measure) title() string {
	if m.Round == 0 {
		return m.Name
	}
	return fmt.Sprintf("%s #%d", m.Name, m.Round)
}

// print writes everything as tables.
func (r *report) print() {
	fmt.Fprintf(r.out, "\n%s\n%s, %d cores, %s, %s\ncommit %s, %s\n\n", r.Command, r.Machine.CPU, r.Machine.Cores,
		r.Machine.OS, r.Machine.Go, r.Commit, r.Started.Format(time.RFC3339))
	t := tabwriter.NewWriter(r.out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "measured\tper second\tunit\tcount\tseconds\tp50 µs\tp90\tp99\tp99.9\tmax\tsent late p99\tclient cpu s\tservice cpu s\tclient busy\t")
	for i := range r.Measures {
		m := &r.Measures[i]
		fmt.Fprintf(t, "%s\t%s\t%s\t%d\t%.2f\t", m.title(), grouped(m.PerSecond), m.Unit, m.Count, m.Seconds)
		if l := m.Latency; l != nil {
			fmt.Fprintf(t, "%.0f\t%.0f\t%.0f\t%.0f\t%.0f\t", l.P50, l.P90, l.P99, l.P999, l.Max)
		} else {
			fmt.Fprint(t, "\t\t\t\t\t")
		}
		if m.SentLateP99 > 0 {
			fmt.Fprintf(t, "%.0f", m.SentLateP99)
		}
		fmt.Fprintf(t, "\t%.2f\t%.2f\t%.0f%%\t\n", m.ClientSeconds, m.ServiceSeconds, 100*m.ClientSeconds/m.Seconds)
	}
	t.Flush()
	for _, q := range r.Ratios {
		fmt.Fprintf(r.out, "\n%s: %.3f (median of %d rounds, %.3f to %.3f)", q.Name, q.Median, len(q.Of), q.Low, q.High)
	}
	for _, g := range r.Goals {
		fmt.Fprintf(r.out, "\n%s", g)
	}
	for _, n := range r.Notes {
		fmt.Fprintf(r.out, "\nnote: %s", n)
	}
	fmt.Fprintln(r.out)
	for _, c := range r.Checks {
		fmt.Fprintf(r.out, "%s: %s\n", map[bool]string{true: "ok    ", false: "FAILED"}[c.OK], strings.TrimSpace(c.Name+" "+c.Found))
	}
}

// grouped writes a number with its thousands apart; below 100 with a decimal.
func grouped(v float64) string {
	if v < 100 {
		return fmt.Sprintf("%.1f", v)
	}
	s := fmt.Sprintf("%.0f", v)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
