package main

import (
	"go/build"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// arrows says which rooms a room may import. A room that is not here may not exist.
var arrows = map[string][]string{
	".":            {"jsonread", "ledger", "ingest", "availability", "promise", "api", "console", "retailer", "bench"},
	"jsonread":     {},
	"kafkaio":      {},
	"ledger":       {},
	"ingest":       {"ledger", "jsonread", "kafkaio"},
	"availability": {"ledger", "jsonread", "kafkaio"},
	"promise":      {"ledger"},
	"api":          {"availability", "promise", "ingest", "ledger", "jsonread"},
	"console":      {},
	"retailer":     {},
	"bench":        {"retailer", "kafkaio"},
	"simulate":     {"ledger", "ingest", "promise"},
}

// testArrows are what a room's tests may import beside that: real parts to run against.
var testArrows = map[string][]string{
	"ingest":       {"retailer"},
	"availability": {"ingest", "retailer"},
	"promise":      {"retailer"},
	"api":          {"retailer"},
}

// TestImportArrows reads the imports from source, so that no cached listing can hide one.
func TestImportArrows(t *testing.T) {
	seen := map[string]bool{}
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		if path != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || d.Name() == "node_modules") {
			return filepath.SkipDir
		}
		p, err := build.ImportDir(path, build.ImportComment)
		if _, none := err.(*build.NoGoError); none {
			return nil
		}
		if err != nil {
			return err
		}
		from := room(path)
		seen[from] = true
		allowed, known := arrows[from]
		if !known {
			t.Errorf("%s: the table of rooms has no %q", path, from)
		}
		check(t, path, from, p.Imports, allowed)
		check(t, path+" (tests)", from, slices.Concat(p.TestImports, p.XTestImports), slices.Concat(allowed, testArrows[from]))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, must := range []string{".", "jsonread", "ledger", "ingest", "availability", "promise", "api"} {
		if !seen[must] {
			t.Errorf("room %q was not found: the test looks in the wrong place", must)
		}
	}
}

func room(path string) string { return strings.Split(filepath.ToSlash(path), "/")[0] }

func check(t *testing.T, path, from string, imports, allowed []string) {
	t.Helper()
	for _, imp := range imports {
		rest, ours := strings.CutPrefix(imp, "onhand/")
		if !ours {
			continue
		}
		if to := room(rest); to != from && !slices.Contains(allowed, to) {
			t.Errorf("%s imports %s: %s may not import %s", path, imp, from, to)
		}
	}
}
