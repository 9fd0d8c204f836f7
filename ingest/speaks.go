package ingest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"onhand/ingest/format"
)

// Source is one that sends something else than CloudEvents: what it speaks and where it
// is heard. Several may share a name, a topic belongs to one.
type Source struct {
	Name   string // the source of its events
	System string // whose codes it uses; "": what stands before the first / of Name
	Format string // a word of format.Names
	Topic  string // that it is read from; "": it is imported, or calls a webhook
	Secret string // what its webhook's calls are signed with; "": it has none
	URL    string // of its webhook as the caller knows it, where that is part of what is signed

	Options format.Options
}

// at is the source as it speaks at a moment, of which is what says no time of its own.
func (s *Source) at(t time.Time) *Source {
	if !s.Options.Time.IsZero() {
		return s
	}
	c := *s
	c.Options.Time = t
	return &c
}

// SourceSpec is how configuration says it. Members that are left out stand for what
// format.Options says.
type SourceSpec struct {
	Source        string            `json:"source"`
	System        string            `json:"system"`
	Format        string            `json:"format"`
	Topic         string            `json:"topic"`
	SecretEnv     string            `json:"secret_env"` // the environment variable that holds it
	URL           string            `json:"url"`
	Zone          string            `json:"time_zone"`
	Zones         map[string]string `json:"time_zones"` // by location code
	Location      string            `json:"location"`
	Strict        bool              `json:"strict"`
	Void          string            `json:"void"`
	Columns       map[string]string `json:"columns"`
	Type          string            `json:"type"`
	Comma         string            `json:"comma"`
	Basis         string            `json:"basis"`
	Complete      bool              `json:"complete"`
	Time          string            `json:"-"` // of one file, RFC 3339
	MovementTypes map[string]string `json:"movement_types"`
}

// ReadSources reads what configuration says of sources:
//
//	{"sources":[{"source":"pos/uk","format":"poslog","topic":"uk.poslog","time_zone":"Europe/London"}]}
//
// getenv gives the secrets. The error has every complaint, each with the entry's number and member.
func ReadSources(r io.Reader, getenv func(string) string) ([]Source, error) {
	in := json.NewDecoder(r)
	in.DisallowUnknownFields()
	var f struct {
		Sources []SourceSpec `json:"sources"`
	}
	if err := in.Decode(&f); err != nil {
		return nil, fmt.Errorf("sources: %w", err)
	}
	if in.More() {
		return nil, errors.New("sources: something follows the object")
	}
	var out []Source
	var complaints []error
	topics := make(map[string]int)
	for i := range f.Sources {
		s, errs := f.Sources[i].source(getenv)
		if at, ok := topics[s.Topic]; ok && s.Topic != "" {
			errs = append(errs, fmt.Errorf("topic: %q is that of sources[%d], and a topic speaks one format", s.Topic, at))
		}
		topics[s.Topic] = i
		for _, err := range errs {
			complaints = append(complaints, fmt.Errorf("sources[%d].%w", i, err))
		}
		out = append(out, s)
	}
	return out, errors.Join(complaints...)
}

// Read makes a source of what was said. The error has every complaint, by member.
func (e *SourceSpec) Read() (Source, error) {
	s, errs := e.source(func(string) string { return "" })
	return s, errors.Join(errs...)
}

func (e *SourceSpec) source(getenv func(string) string) (s Source, errs []error) {
	complain := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	s = Source{Name: e.Source, System: e.System, Format: e.Format, Topic: e.Topic, URL: e.URL, Options: format.Options{
		Zones: e.Zones, Location: e.Location, Strict: e.Strict, Void: e.Void, Columns: e.Columns, Type: e.Type,
		Basis: e.Basis, Complete: e.Complete, Movement: e.MovementTypes}}
	if e.Source == "" || !plainText([]byte(e.Source), nameBytesMax) {
		complain("source: want %s, got %q", wantText(1, nameBytesMax), e.Source)
	}
	if format.Named(e.Format) == nil {
		complain("format: want one of %s, got %q", strings.Join(format.Names(), ", "), e.Format)
	}
	if e.Topic != "" && !topicName.MatchString(e.Topic) {
		complain("topic: %q is no name of a topic", e.Topic)
	}
	zone := func(member, name string) *time.Location {
		z, err := time.LoadLocation(name)
		if err != nil || name == "Local" {
			complain("%s: %q is no time zone", member, name)
		}
		return z
	}
	if e.Zone != "" {
		s.Options.Zone = zone("time_zone", e.Zone)
	}
	for _, location := range slices.Sorted(maps.Keys(e.Zones)) {
		zone("time_zones."+location, e.Zones[location])
	}
	for _, code := range slices.Sorted(maps.Keys(e.MovementTypes)) {
		if err := format.CheckMovement(e.MovementTypes[code]); err != nil {
			complain("movement_types.%s: %w", code, err)
		}
	}
	if !slices.Contains([]string{"", "flag", "offset"}, e.Void) {
		complain("void: want flag or offset, got %q", e.Void)
	}
	if !slices.Contains([]string{"", "physical", "net_of_committed"}, e.Basis) {
		complain("basis: want physical or net_of_committed, got %q", e.Basis)
	}
	if e.Time != "" {
		t, err := time.Parse(time.RFC3339Nano, e.Time)
		if err != nil {
			complain("time: want a time like 2006-01-02T15:04:05Z, got %q", e.Time)
		}
		s.Options.Time = t
	}
	if e.Comma != "" {
		r, n := utf8.DecodeRuneInString(e.Comma)
		if n != len(e.Comma) || r > '~' || r < ' ' && r != '\t' || r == '"' {
			complain("comma: want one character of ASCII, got %q", e.Comma)
		}
		s.Options.Comma = r
	}
	if e.SecretEnv != "" {
		if s.Secret = getenv(e.SecretEnv); s.Secret == "" {
			complain("secret_env: the environment has no %s", e.SecretEnv)
		}
	}
	return s, errs
}
