package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"text/tabwriter"
	"time"
)

// caller speaks to a running service.
type caller struct {
	HTTP   string `name:"http" default:"http://127.0.0.1:8080" placeholder:"URL" help:"The service (${default})."`
	APIKey string `placeholder:"KEY" help:"A key that it knows."`
}

// call makes one request and reads its answer into v.
func (c *caller) call(ctx context.Context, method, path string, body, v any) error {
	var in io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return err
		}
		in = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(c.HTTP, "/")+path, in)
	if err != nil {
		return fmt.Errorf("--http %s: %w", c.HTTP, err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	return c.do(req, v)
}

func (c *caller) do(req *http.Request, v any) error {
	if c.APIKey != "" {
		req.Header.Set("Authorization", "Bearer "+c.APIKey)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		var problem struct{ Type, Title, Detail string }
		if json.Unmarshal(b, &problem) == nil && problem.Type != "" {
			return fmt.Errorf("%s: %s", strings.TrimPrefix(problem.Type, "/problems/"), problem.Detail)
		}
		return fmt.Errorf("the service answered %s: %s", res.Status, bytes.TrimSpace(b[:min(len(b), 300)]))
	}
	if err := json.Unmarshal(b, v); err != nil {
		return fmt.Errorf("what the service answered: %w", err)
	}
	return nil
}

// letterFilter says which dead letters are meant.
type letterFilter struct {
	Code     string `placeholder:"CODE" help:"Only those refused with this code."`
	Source   string `placeholder:"NAME" help:"Only those of this source."`
	Location string `placeholder:"CODE" help:"Only those of this location, as the source calls it."`
	Topic    string `placeholder:"NAME" help:"Only those from this topic."`
	Since    string `placeholder:"TIME" help:"Only those received from then on."`
	Until    string `placeholder:"TIME" help:"Only those received before."`
}

func (f *letterFilter) members() map[string]string {
	m := make(map[string]string)
	for name, value := range map[string]string{"code": f.Code, "source": f.Source, "location": f.Location, "topic": f.Topic, "since": f.Since, "until": f.Until} {
		if value != "" {
			m[name] = value
		}
	}
	return m
}

type lettersConfig struct {
	List   lettersListConfig   `cmd:"" help:"What could not be applied and why, oldest first."`
	Replay lettersReplayConfig `cmd:"" help:"Try dead letters again: those named, those that match, or all."`
}

type lettersListConfig struct {
	caller
	letterFilter
	Limit int  `default:"100" help:"How many (${default})."`
	JSON  bool `help:"As the service answers them, one on each line."`
}

type lettersReplayConfig struct {
	IDs []string `arg:"" optional:"" name:"id" help:"Dead letters by id."`
	caller
	letterFilter
	All    bool `help:"All that wait."`
	DryRun bool `help:"Only say what would come of it."`
}

// Validate refuses what could be meant in two ways.
func (c *lettersReplayConfig) Validate() error {
	ways := 0
	for _, given := range []bool{len(c.IDs) > 0, len(c.members()) > 0, c.All} {
		if given {
			ways++
		}
	}
	if ways != 1 {
		return errors.New("want ids, or a filter such as --code, or --all: one of them")
	}
	return nil
}

// listLetters writes a table of dead letters.
func listLetters(ctx context.Context, c lettersListConfig, out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	if !c.JSON {
		fmt.Fprintln(w, "ID\tRECEIVED\tCODE\tTRIED\tFROM\tDETAIL")
	}
	q := url.Values{}
	for name, value := range c.members() {
		q.Set(name, value)
	}
	for left := c.Limit; left > 0; {
		q.Set("limit", fmt.Sprint(min(left, 100)))
		var page struct {
			Items []json.RawMessage
			Next  *string
		}
		if err := c.call(ctx, http.MethodGet, "/v1/dead-letters?"+strings.ReplaceAll(q.Encode(), "+", "%20"), nil, &page); err != nil {
			return err
		}
		for _, item := range page.Items {
			left--
			if c.JSON {
				fmt.Fprintf(out, "%s\n", item)
				continue
			}
			if err := writeLetter(w, item); err != nil {
				return err
			}
		}
		if page.Next == nil {
			break
		}
		q.Set("cursor", *page.Next)
	}
	return w.Flush()
}

func writeLetter(w io.Writer, item json.RawMessage) error {
	var l struct {
		ID         string
		ReceivedAt time.Time `json:"received_at"`
		Code       string
		Detail     string
		Attempts   int
		Topic      *string
		Partition  *int
		Offset     *int64
	}
	if err := json.Unmarshal(item, &l); err != nil {
		return fmt.Errorf("what the service answered: %w", err)
	}
	from := "HTTP"
	if l.Topic != nil && l.Partition != nil && l.Offset != nil {
		from = fmt.Sprintf("%s/%d@%d", *l.Topic, *l.Partition, *l.Offset)
	}
	detail := strings.Map(func(r rune) rune {
		if r < ' ' {
			return ' '
		}
		return r
	}, l.Detail)
	_, err := fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%s\t%s\n", l.ID, l.ReceivedAt.Format(time.RFC3339), l.Code, l.Attempts, from, detail)
	return err
}

// replayLetters tries letters again and says what became of each that was refused. ok is
// false where one was.
func replayLetters(ctx context.Context, c lettersReplayConfig, out io.Writer) (ok bool, err error) {
	body := map[string]any{"dry_run": c.DryRun}
	switch {
	case len(c.IDs) > 0:
		body["ids"] = c.IDs
	case c.All:
		body["all"] = true
	default:
		body["filter"] = c.members()
	}
	applied, duplicates, refused := 0, 0, 0
	for more := true; more; {
		var answer struct {
			Items []struct {
				ID                 string
				Applied, Duplicate bool
				Code, Detail       *string
			}
			Applied, Duplicates, Refused int
			Next                         *string
		}
		if err := c.call(ctx, http.MethodPost, "/v1/dead-letters/replay", body, &answer); err != nil {
			return false, err
		}
		for _, i := range answer.Items {
			if i.Code != nil && i.Detail != nil {
				fmt.Fprintf(out, "%s  %s  %s\n", i.ID, *i.Code, *i.Detail)
			}
		}
		applied, duplicates, refused = applied+answer.Applied, duplicates+answer.Duplicates, refused+answer.Refused
		if more = answer.Next != nil; more {
			body["after"] = *answer.Next
		}
	}
	verb := "were applied"
	if c.DryRun {
		verb = "would be applied"
	}
	fmt.Fprintf(out, "%d %s, %d had been already, %d are refused\n", applied, verb, duplicates, refused)
	return refused == 0 && applied+duplicates >= len(c.IDs), nil
}
