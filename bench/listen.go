package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// listener reads a service's feed, on which markers are told of among everything else.
type listener struct {
	answer *http.Response
	close  context.CancelFunc
}

// listen returns once the service has begun to answer.
func listen(ctx context.Context, s *service) (*listener, error) {
	ctx, cancel := context.WithCancel(ctx)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.addr+"/v1/feed", nil)
	if err == nil {
		var answer *http.Response
		answer, err = http.DefaultTransport.RoundTrip(request)
		if err == nil && answer.StatusCode != http.StatusOK {
			answer.Body.Close()
			err = fmt.Errorf("GET /v1/feed: %s", answer.Status)
		}
		if err == nil {
			return &listener{answer, cancel}, nil
		}
	}
	cancel()
	return nil, err
}

// stop ends the feed; hear then returns.
func (l *listener) stop() {
	l.close()
	l.answer.Body.Close()
}

// hear calls told with what the feed says of each marker, until stop.
func (l *listener) hear(m *markers, told func(place int, onHand int64)) error {
	in := bufio.NewReaderSize(l.answer.Body, 256<<10)
	sku := []byte(`"` + markerSKU + `"`)
	for {
		line, err := in.ReadSlice('\n')
		switch {
		case err != nil && l.answer.Request.Context().Err() != nil:
			return nil
		case err != nil:
			return fmt.Errorf("GET /v1/feed: %w", err)
		case bytes.HasPrefix(line, []byte("event: reset")):
			return fmt.Errorf("GET /v1/feed: this reader was too slow")
		case !bytes.Contains(line, sku):
			continue
		}
		var row positionRow
		if err := json.Unmarshal(bytes.TrimPrefix(line, []byte("data:")), &row); err != nil {
			return fmt.Errorf("GET /v1/feed: %q: %w", clip(line), err)
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
