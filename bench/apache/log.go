package apache

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

const quotedMax = 4 << 10 // bytes of Kafka's log in an error

// logLine begins a message; what follows up to the next is a stack trace or a
// listing of the configuration.
var logLine = regexp.MustCompile(`^\d\d:\d\d:\d\d\.\d{3} \[.*?\] ([A-Z]+) `)

// Log is the path of Kafka's log, to which restarts append.
func (b *Broker) Log() string { return filepath.Join(b.opts.Dir, "kafka.log") }

// complaints are the last messages of this start above INFO, since Kafka's
// shutdown says so much that the end of its log holds no reason; where there are
// none it is the end of the log.
func (b *Broker) complaints() string {
	log, err := os.ReadFile(b.Log())
	if err != nil {
		return err.Error()
	}
	text := string(log[min(b.logFrom, int64(len(log))):])
	var quoted strings.Builder
	quoting := true // what the JVM itself says comes without a level
	for line := range strings.Lines(text) {
		if m := logLine.FindStringSubmatch(line); m != nil {
			quoting = m[1] != "INFO" && m[1] != "DEBUG"
		}
		if quoting {
			quoted.WriteString(line)
		}
	}
	if quoted.Len() > 0 {
		text = quoted.String()
	}
	if cut := len(text) - quotedMax; cut > 0 {
		text = text[cut:]
	}
	return fmt.Sprintf("from %s:\n%s", b.Log(), text)
}
