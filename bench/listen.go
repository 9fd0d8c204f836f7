package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// listener reads a service's feed: of the markers' locations, or all of it, in which
// markers are told of among everything else.
type listener struct {
	ctx    context.Context
	url    string
	close  context.CancelFunc
	answer *http.Response
	lastID string // of the feed's events
	cut    int    // how often it was too slow, and resumed
}

// listen returns once the service has begun to answer.
func listen(ctx context.Context, s *service, m *markers, whole bool) (*listener, error) {
	l := &listener{url: "http://" + s.addr + "/v1/feed"}
	if !whole {
		l.url += "?" + m.locations()
	}
	l.ctx, l.close = context.WithCancel(ctx)
	if err := l.open(); err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

func (l *listener) open() error {
	request, err := http.NewRequestWithContext(l.ctx, http.MethodGet, l.url, nil)
	if err != nil {
		return err
	}
	if l.lastID != "" {
		request.Header.Set("Last-Event-ID", l.lastID)
	}
	if l.answer, err = http.DefaultTransport.RoundTrip(request); err != nil {
		return err
	}
	if l.answer.StatusCode != http.StatusOK {
		l.answer.Body.Close()
		return fmt.Errorf("GET /v1/feed: %s", l.answer.Status)
	}
	return nil
}

// stop ends the feed; hear then returns.
func (l *listener) stop() { l.close() }

// errCut says that the service ended the feed, for its reader was too slow.
var errCut = errors.New("this reader was too slow")

// hear calls told with what the feed says of each marker, until stop. Where it was too
// slow it resumes, as a browser would.
func (l *listener) hear(m *markers, told func(place int, onHand int64)) error {
	for {
		err := l.hearOnce(m, told)
		l.answer.Body.Close()
		if l.ctx.Err() != nil {
			return nil
		}
		if errors.Is(err, errCut) {
			l.cut++
			err = l.open()
		}
		if err != nil {
			if l.ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("GET /v1/feed: %w", err)
		}
	}
}

func (l *listener) hearOnce(m *markers, told func(place int, onHand int64)) error {
	in := bufio.NewReaderSize(l.answer.Body, 256<<10)
	sku := []byte(`"` + markerSKU + `"`)
	for {
		line, err := in.ReadSlice('\n')
		switch {
		case err != nil:
			return err
		case bytes.HasPrefix(line, []byte("id: ")):
			l.lastID = string(bytes.TrimSpace(line[len("id: "):]))
			continue
		case bytes.HasPrefix(line, []byte("event: reset")):
			return errCut
		case !bytes.Contains(line, sku):
			continue
		}
		var row positionRow
		if err := json.Unmarshal(bytes.TrimPrefix(line, []byte("data:")), &row); err != nil {
			return fmt.Errorf("%q: %w", clip(line), err)
		}
		place, ours := m.byID[row.Location]
		if !ours {
			continue
		}
		n, err := steps(string(row.OnHand), 0)
		if err != nil {
			return err
		}
		told(place, n)
	}
}

// follow is the feed's side of look: it times markers until all that were due are told.
func (w *watch) follow(m *markers, l *listener, begun []int64) error {
	counted := make([]int64, len(begun))
	return l.hear(m, func(i int, onHand int64) {
		now := time.Now()
		w.mu.Lock()
		defer w.mu.Unlock()
		for ; counted[i] < onHand-begun[i] && counted[i] < int64(len(w.due[i])); counted[i]++ {
			w.told.record(1, now.Sub(w.due[i][counted[i]]))
		}
	})
}
