package embedded

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/twmb/franz-go/pkg/kfake"
)

// kfakeLog passes kfake's messages on and, while it closes, keeps its errors: a
// log line is the only way in which kfake tells that it could not save its state.
type kfakeLog struct {
	log *slog.Logger

	mu       sync.Mutex // guards what follows
	closing  bool
	failures []error
}

func (l *kfakeLog) Logf(level kfake.LogLevel, format string, args ...any) {
	to := slog.LevelDebug // its Info is a line per odd request
	switch level {
	case kfake.LogLevelError:
		l.mu.Lock()
		if l.closing {
			l.failures = append(l.failures, fmt.Errorf(format, args...))
		}
		l.mu.Unlock()
		to = slog.LevelError
	case kfake.LogLevelWarn:
		to = slog.LevelWarn
	}
	if l.log.Enabled(context.Background(), to) {
		l.log.Log(context.Background(), to, "embedded broker: "+fmt.Sprintf(format, args...))
	}
}

func (l *kfakeLog) startClosing() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closing = true
}

// failure is what went wrong since startClosing, or nil.
func (l *kfakeLog) failure() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return errors.Join(l.failures...)
}
