package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"onhand/ledger"
)

// verify checks a data directory and says on out what is wrong with it.
func verify(c verifyConfig, out io.Writer) (clean bool, err error) {
	r, err := ledger.Verify(ledger.Options{Dir: ledgerDir(c.Data)})
	if err != nil {
		return false, err
	}
	return report(r, out), nil
}

// rebuild makes a new ledger of a journal and says on out whether it is the old one.
func rebuild(c rebuildConfig, out io.Writer) (same bool, err error) {
	if _, err := os.Stat(c.Into); !errors.Is(err, fs.ErrNotExist) {
		return false, errors.Join(fmt.Errorf("--into %s: it is there already", c.Into), err)
	}
	r, err := ledger.Rebuild(ledger.Options{Dir: ledgerDir(c.Data)}, ledger.Options{Dir: ledgerDir(c.Into)})
	if err != nil {
		return false, err
	}
	fmt.Fprintf(out, "%s made anew in %s\n", c.Data, c.Into)
	return report(r, out), nil
}

// report says what was found.
func report(r *ledger.Report, out io.Writer) (clean bool) {
	for _, f := range r.Findings {
		fmt.Fprintln(out, f)
	}
	if r.More > 0 {
		fmt.Fprintf(out, "and %d more\n", r.More)
	}
	fmt.Fprintf(out, "%d entries in %d blocks, %d positions, %d open reservations: ", r.Entries, r.Blocks, r.Positions, r.Open)
	if !r.OK() {
		fmt.Fprintf(out, "%d findings\n", len(r.Findings)+r.More)
		return false
	}
	fmt.Fprintln(out, "every invariant holds")
	return true
}
