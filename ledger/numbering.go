package ledger

import "slices"

// Numbering is what is known of a source that numbers its events. A number counts as seen
// once its event is accepted: one that waits as a dead letter is missing.
type Numbering struct {
	next     uint64 // the number that is expected, and one; 0: it does not number its events
	gaps     []Gap  // in the order in which they were found
	Missing  uint64 // numbers in the gaps
	Filled   uint64 // numbers that came late, into a gap
	Repeated uint64 // numbers that had been seen before
	Restarts uint64 // how often it began again with 0 or 1
	GivenUp  uint64 // numbers of gaps that are no longer waited for, because there are too many
}

// Gap is a run of numbers that have not come though a later one has.
type Gap struct {
	From, To uint64 // the first and the last
	At       Millis // the time of the event that came instead
	loc      Location
}

// gapsMax is how many gaps of a source are kept; then the oldest is given up.
const gapsMax = 64

// Last is the latest number in the source's order; ok is false where it has none.
func (n *Numbering) Last() (number uint64, ok bool) { return n.next - 2, n.next != 0 }

// Gaps are the numbers that are waited for.
func (n *Numbering) Gaps() []Gap { return n.gaps }

// saw notes a number, plus one, and whether its event is the latest. It tells the gap that
// was found, and the one that is gone; nil: none.
func (n *Numbering) saw(plusOne uint64, at Millis, loc Location, latest bool) (found, gone *Gap) {
	number := plusOne - 1
	if n.next != 0 && number < n.next-1 {
		if filled, gone := n.fill(number); filled {
			return nil, gone
		}
	}
	switch expected := n.next - 1; {
	case n.next == 0 || number == expected:
		n.next = plusOne + 1
	case number > expected:
		found = &Gap{expected, number - 1, at, loc}
		n.gaps = append(n.gaps, *found)
		n.Missing += number - expected
		n.next = plusOne + 1
		return found, n.bound()
	case number <= 1 && latest:
		n.Restarts++
		n.next = plusOne + 1
	default:
		n.Repeated++
	}
	return nil, nil
}

// fill takes a number out of the gap that it lies in, if there is one, and tells the gap
// that is gone.
func (n *Numbering) fill(number uint64) (filled bool, gone *Gap) {
	i := slices.IndexFunc(n.gaps, func(g Gap) bool { return g.From <= number && number <= g.To })
	if i < 0 {
		return false, nil
	}
	n.Missing--
	n.Filled++
	switch g := &n.gaps[i]; {
	case g.From == g.To:
		closed := *g
		gone = &closed
		n.gaps = slices.Delete(n.gaps, i, i+1)
	case number == g.From:
		g.From++
	case number == g.To:
		g.To--
	default:
		after := *g
		after.From = number + 1
		g.To = number - 1
		n.gaps = slices.Insert(n.gaps, i+1, after)
		gone = n.bound()
	}
	return true, gone
}

// bound gives the oldest gap up where there are too many, and tells it.
func (n *Numbering) bound() (gone *Gap) {
	if len(n.gaps) <= gapsMax {
		return nil
	}
	oldest := n.gaps[0]
	lost := oldest.To - oldest.From + 1
	n.Missing -= lost
	n.GivenUp += lost
	n.gaps = slices.Delete(n.gaps, 0, 1)
	return &oldest
}
