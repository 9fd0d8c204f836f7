package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"
)

// writeMarkdown replaces the scenario's section in a file of results, or adds one. A
// section begins with its heading of two signs and ends before the next.
func (r *report) writeMarkdown(file string) error {
	old, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	heading := "## " + r.Scenario + "\n"
	before, after, found := strings.Cut("\n"+string(old), "\n"+heading)
	if !found {
		before, after = strings.TrimRight(before, "\n")+"\n", ""
	}
	if next := strings.Index(after, "\n## "); next >= 0 {
		after = after[next:]
	} else {
		after = ""
	}
	text := strings.TrimPrefix(before+"\n"+heading+r.markdown()+after, "\n")
	return os.WriteFile(file, []byte(text), 0o644)
}

func (r *report) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n`%s`, %s, %d cores, %s, %s, commit %s, %s.\n", r.Command, r.Machine.CPU, r.Machine.Cores, r.Machine.OS, r.Machine.Go,
		r.Commit, r.Started.Format(time.DateOnly))
	if len(r.Goals) > 0 {
		b.WriteString("\n| goal | median | lowest to highest | rounds | target | verdict |\n|---|---|---|---|---|---|\n")
		for _, g := range r.Goals {
			bound, verdict := "≥", "reached"
			if g.AtMost {
				bound = "≤"
			}
			if !g.Reached {
				verdict = "**not reached**"
			}
			fmt.Fprintf(&b, "| %s | %s %s | %s to %s | %d | %s %s | %s |\n", g.Name, figure(g.Median), g.Unit, figure(g.Low), figure(g.High), len(g.Of),
				bound, figure(g.Target), verdict)
		}
	}
	if len(r.Ratios) > 0 {
		b.WriteString("\n| ratio | median | lowest to highest | rounds |\n|---|---|---|---|\n")
		for _, q := range r.Ratios {
			fmt.Fprintf(&b, "| %s | %.2f | %.2f to %.2f | %d |\n", q.Name, q.Median, q.Low, q.High, len(q.Of))
		}
	}
	b.WriteString("\n| measured | per second | p50 µs | p99 | p99.9 | client busy |\n|---|---|---|---|---|---|\n")
	for i := range r.Measures {
		m := &r.Measures[i]
		p50, p99, p999 := "", "", ""
		if l := m.Latency; l != nil {
			p50, p99, p999 = grouped(l.P50), grouped(l.P99), grouped(l.P999)
		}
		fmt.Fprintf(&b, "| %s | %s %s | %s | %s | %s | %.0f %% |\n", m.title(), grouped(m.PerSecond), m.Unit, p50, p99, p999, 100*m.ClientSeconds/m.Seconds)
	}
	b.WriteString("\n")
	for _, n := range r.Notes {
		fmt.Fprintf(&b, "- %s\n", n)
	}
	for _, c := range r.Checks {
		fmt.Fprintf(&b, "- %s: %s%s\n", map[bool]string{true: "checked", false: "**failed**"}[c.OK], c.Name, strings.TrimRight(" "+c.Found, " "))
	}
	return b.String()
}
