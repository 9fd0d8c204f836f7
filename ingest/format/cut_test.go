package format

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestReadersThatFail lets the reader of each file fail at many places. The decoder gives
// its error, and until then only what the whole file gives as well: half a row is no row,
// and what is not all there is not complete.
func TestReadersThatFail(t *testing.T) {
	files, err := filepath.Glob("testdata/*/*.golden")
	if err != nil {
		t.Fatal(err)
	}
	gone := errors.New("the connection is gone")
	for _, golden := range files {
		file := strings.TrimSuffix(golden, ".golden")
		name := filepath.Base(filepath.Dir(file))
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var side sidecar
		if b, err := os.ReadFile(strings.TrimSuffix(file, filepath.Ext(file)) + ".options.json"); err == nil {
			if err := json.Unmarshal(b, &side); err != nil {
				t.Fatal(err)
			}
		}
		var whole written
		wholeErr := Named(name)(bytes.NewReader(content), side.options(t), &whole)
		for at := 0; at < len(content); at += 1 + len(content)/200 {
			var bad *Refusal
			if err := Named(name)(bytes.NewReader(content[:at]), side.options(t), &written{}); err != nil && !errors.As(err, &bad) {
				t.Errorf("%s, a file of %d bytes: %v", file, at, err) // a record of a topic would be met with for ever
				break
			}
			var got written
			err := Named(name)(io.MultiReader(bytes.NewReader(content[:at]), &failing{gone}), side.options(t), &got)
			if err == nil || !errors.Is(err, gone) && !(errors.As(err, &bad) && wholeErr != nil && err.Error() == wholeErr.Error()) {
				t.Errorf("%s, %d bytes: %v", file, at, err)
				break
			}
			if !strings.HasPrefix(whole.String(), got.String()) {
				t.Errorf("%s, %d bytes: it gives\n%s", file, at, got.String())
				break
			}
		}
	}
}
