package main

import (
	"fmt"
	"io"

	"onhand/ledger"
)

// verify checks a data directory and says on out what is wrong with it.
func verify(c verifyConfig, out io.Writer) (clean bool, err error) {
	r, err := ledger.Verify(ledger.Options{Dir: ledgerDir(c.Data)})
	if err != nil {
		return false, err
	}
	for _, f := range r.Findings {
		fmt.Fprintln(out, f)
	}
	if r.More > 0 {
		fmt.Fprintf(out, "and %d more\n", r.More)
	}
	fmt.Fprintf(out, "%d entries in %d blocks, %d positions, %d open reservations: ", r.Entries, r.Blocks, r.Positions, r.Open)
	if !r.OK() {
		fmt.Fprintf(out, "%d findings\n", len(r.Findings)+r.More)
		return false, nil
	}
	fmt.Fprintln(out, "every invariant holds")
	return true, nil
}
