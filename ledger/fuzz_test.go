package ledger

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"hash/crc32"
	"math/rand/v2"
	"reflect"
	"runtime/metrics"
	"strings"
	"testing"
)

// The decoders read bytes that the disk may have changed. They must say so, never
// panic, and never ask for much more memory than there are bytes.

// codec is one sort of bytes that the store keeps.
type codec struct {
	name  string
	seeds func(*rand.Rand) [][]byte
	// reads decodes b and holds what it gives against what is written of that again.
	reads func(t *testing.T, b []byte)
}

var codecs = []codec{
	{"entry", entrySeeds, readsEntry},
	{"block", blockSeeds, readsBlock},
	{"page", pageSeeds, readsPage},
	{"reservation", reservationSeeds, readsReservation},
	{"rules", ruleSeeds, readsRules},
	{"dead letter", letterSeeds, readsLetter},
	{"exceptions", raisedSeeds, readsRaised},
	{"resolution", resolutionSeeds, readsResolution},
	{"accuracy", accuracySeeds, readsAccuracy},
	{"source", sourceSeeds, readsSource},
	{"missed movement", missedSeeds, readsMissed},
	{"offset", offsetSeeds, readsOffset},
	{"name and key", fixedSeeds, readsFixed},
	{"complete snapshot", completeSeeds, readsComplete},
	{"master data", masterSeeds, readsMaster},
	{"goods under way", inboundSeeds, readsInbound},
	{"change of goods under way", changeSeeds, readsChange},
	{"what came of an order", orderSeeds, readsOrder},
}

// FuzzCodec has which choose a codec, and gives it any bytes: what it reads, it must
// write so that the same is read again.
func FuzzCodec(f *testing.F) {
	rng := rand.New(rand.NewPCG(7, 8))
	for which, c := range codecs {
		for _, seed := range c.seeds(rng) {
			f.Add(byte(which), seed)
		}
	}
	f.Fuzz(func(t *testing.T, which byte, b []byte) {
		c := codecs[int(which)%len(codecs)]
		was := bytes.Clone(b)
		if n := allocated(func() { c.reads(t, b) }); n > allowance+500*uint64(len(b)) {
			t.Fatalf("%s: %d bytes allocated for %d", c.name, n, len(b))
		}
		if !bytes.Equal(b, was) {
			t.Fatalf("%s: the decoder changed its input", c.name)
		}
	})
}

// allowance is what decoding may allocate whatever its input is, and what the runtime
// allocates meanwhile.
const allowance = 1 << 20

// allocated is how many bytes do allocates, with what others do meanwhile.
func allocated(do func()) uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(sample)
	before := sample[0].Value.Uint64()
	do()
	metrics.Read(sample)
	return sample[0].Value.Uint64() - before
}

func same[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("%s reads back as\n%+v\nof\n%+v", what, got, want)
	}
}

func entrySeeds(rng *rand.Rand) (out [][]byte) {
	for range 20 {
		out = append(out, randomDraft(rng).append(nil))
	}
	return out
}

// redraft is the draft that e was written from.
func (e *Entry) redraft() *entryDraft {
	return &entryDraft{kind: e.Kind, time: e.Time, recordedAt: e.RecordedAt, id: e.ID, key: e.Key, reservation: e.Reservation,
		event: EventName{Source: e.Source, ID: e.EventID, Time: e.SaidTime, Content: e.Content, Sequence: e.Sequence}, lines: e.Lines, exceptions: e.Exceptions, payload: e.Payload}
}

func readsEntry(t *testing.T, b []byte) {
	const seq = 7
	e, err := decodeEntry(seq, b)
	lines := []EntryLine{{SKU: 9}}
	bare, bareErr := decodeEntryBare(seq, b, &lines)
	if (err == nil) != (bareErr == nil) {
		t.Fatalf("whole: %v, without its name: %v", err, bareErr)
	}
	if err != nil {
		if !strings.Contains(err.Error(), "entry 7") {
			t.Fatalf("the error does not say which entry: %v", err)
		}
		return
	}
	if kindOf(b) != e.Kind || e.Kind.String() == "" {
		t.Fatalf("%d is told as kind %d", e.Kind, kindOf(b))
	}
	for _, x := range e.Exceptions {
		if x.Code.String() == "" {
			t.Fatalf("exception %d has no word", x.Code)
		}
	}
	want := e
	want.Source, want.EventID = "", ""
	same(t, "the entry without its name", bare, want)
	same(t, "the lines kept apart", lines[1:], append([]EntryLine{}, e.Lines...))

	again := e.redraft().append(nil)
	if len(again) > len(b) {
		t.Fatalf("%d bytes are written as %d", len(b), len(again))
	}
	back, err := decodeEntry(seq, again)
	if err != nil {
		t.Fatalf("%+v was written and does not decode", e)
	}
	same(t, "the entry", back, e)
	if third := back.redraft().append(nil); !bytes.Equal(third, again) {
		t.Fatalf("an entry is written as %x and %x", again, third)
	}
}

func blockSeeds(rng *rand.Rand) [][]byte {
	b := newBlock(5, newCommit(), &block{})
	for range 4 {
		b.body = randomDraft(rng).append(b.body)
		b.ends = append(b.ends, uint32(len(b.body)))
	}
	return [][]byte{unsealed(b.encode([32]byte{1}, testStart))}
}

// unsealed takes the hash off a block, which readsBlock puts back on.
func unsealed(block []byte) []byte { return block[:len(block)-sha256.Size] }

func sealedBlock(b []byte) []byte {
	sum := sha256.Sum256(b)
	return append(bytes.Clone(b), sum[:]...)
}

func readsBlock(t *testing.T, b []byte) {
	if _, err := decodeBlock(b); err == nil && !bytes.Equal(sealedBlock(unsealed(b)), b) {
		t.Fatalf("%x was read with a wrong hash", b)
	}
	v := sealedBlock(b)
	s, err := decodeBlock(v)
	if err != nil {
		return
	}
	if s.first == 0 || s.last() < s.first || s.at < 0 {
		t.Fatalf("a block of entries %d to %d at %d was read", s.first, s.last(), s.at)
	}
	for seq := s.first; ; seq++ {
		s.entry(seq)
		if seq == s.last() {
			break
		}
	}
	back, err := decodeBlock(s.encode(s.prev, s.at))
	if err != nil {
		t.Fatal(err)
	}
	back.hash = s.hash // its numbers may have been written longer than need be
	same(t, "the block", back, s)
}

func pageSeeds(rng *rand.Rand) [][]byte {
	p := page{positions: []position{{loc: 3, Figures: Figures{1, 2, 3, 4}, head: sixOf(9), last: sixOf(5), counted: sixOf(6)}, {loc: 4}}}
	b := p.append(nil, 10)
	return [][]byte{b[:len(b)-4]}
}

func sealedPage(b []byte) []byte {
	return binary.BigEndian.AppendUint32(bytes.Clone(b), crc32.Checksum(b, castagnoli))
}

func readsPage(t *testing.T, b []byte) {
	if _, _, err := decodePage(b); err == nil && !bytes.Equal(sealedPage(b[:len(b)-4]), b) {
		t.Fatalf("%x was read with a wrong checksum", b)
	}
	p, seq, err := decodePage(sealedPage(b))
	if err != nil {
		return
	}
	for i := range p.positions {
		if at, ok := p.index(p.positions[i].loc); !ok || at != i {
			t.Fatalf("location %d is at %d, index says %d (%v)", p.positions[i].loc, i, at, ok)
		}
	}
	back, backSeq, err := decodePage(p.append(nil, seq))
	if err != nil || backSeq != seq {
		t.Fatalf("a page of entry %d reads back as of %d: %v", seq, backSeq, err)
	}
	same(t, "the page", back, p)
}

func reservationSeeds(rng *rand.Rand) (out [][]byte) {
	for len(out) < 10 {
		if r := randomDraft(rng).reservation; r != nil {
			out = append(out, r.append(nil))
		}
	}
	return out
}

func readsReservation(t *testing.T, b []byte) {
	r, err := decodeReservation(b)
	if err != nil {
		return
	}
	again := r.append(nil)
	if len(again) > len(b) {
		t.Fatalf("%d bytes are written as %d", len(b), len(again))
	}
	back, err := decodeReservation(again)
	if err != nil {
		t.Fatalf("%+v: %v", r, err)
	}
	same(t, "the reservation", back, r)
}

func emptyLedger() *Ledger {
	l := &Ledger{}
	l.init()
	return l
}

func ruleSeeds(*rand.Rand) [][]byte {
	l := emptyLedger()
	return [][]byte{l.encodeRules(true, map[ruleKey]units{{sku: 1, loc: 2}: 3000, {category: l.catalogue.category("dairy")}: unitsNone}, []ruleKey{{loc: 4}}),
		l.encodeRules(false, nil, []ruleKey{{category: l.catalogue.category("é")}})}
}

func readsRules(t *testing.T, b []byte) {
	l := emptyLedger()
	replace, set, remove, err := l.decodeRules(b)
	if err != nil {
		return
	}
	for k, u := range set {
		if u < unitsNone {
			t.Fatalf("%+v was read with %d units", k, u)
		}
	}
	replace2, set2, remove2, err := l.decodeRules(l.encodeRules(replace, set, remove))
	if err != nil || replace2 != replace {
		t.Fatalf("replace %v reads back as %v: %v", replace, replace2, err)
	}
	same(t, "what is set", set2, set)
	same(t, "what is removed", remove2, remove)
}

func letterSeeds(*rand.Rand) [][]byte {
	d := DeadLetter{Code: "invalid-event", Detail: "lines: missing member", Topic: "stock", Partition: 3, Offset: 1 << 40, Key: []byte("0042"),
		Value: []byte(`{"specversion":"1.0"}`), Headers: []Header{{"ce_type", []byte("pos.sale")}, {"", nil}}}
	return [][]byte{d.encode(), (&DeadLetter{}).encode()}
}

func readsLetter(t *testing.T, b []byte) {
	e := Entry{Seq: 4, Kind: KindDeadLetter, RecordedAt: testStart, Payload: b}
	d, err := e.DeadLetter()
	if err != nil {
		return
	}
	e.Payload = d.encode()
	if len(e.Payload) > len(b) {
		t.Fatalf("%d bytes are written as %d", len(b), len(e.Payload))
	}
	back, err := e.DeadLetter()
	if err != nil {
		t.Fatalf("%+v: %v", d, err)
	}
	same(t, "the letter", back, d)
}

func orderSeeds(*rand.Rand) [][]byte {
	return [][]byte{orderPayload(InsufficientStock, ""), orderPayload(OK, "no longer wanted"), orderPayload(WrongState, "é")}
}

func readsOrder(t *testing.T, b []byte) {
	e := Entry{Seq: 4, Kind: KindOrderCancelled, Payload: b}
	refused, reason, err := e.OrderOutcome()
	if err != nil {
		if !strings.Contains(err.Error(), "entry 4") {
			t.Fatalf("the error does not say which entry: %v", err)
		}
		return
	}
	e.Payload = appendString(appendString(nil, refused), reason)
	if again, why, err := e.OrderOutcome(); err != nil || again != refused || why != reason {
		t.Fatalf("%q, %q read back as %q, %q: %v", refused, reason, again, why, err)
	}
}

func raisedSeeds(rng *rand.Rand) (out [][]byte) {
	for len(out) < 5 {
		e := randomDraft(rng)
		if notes := e.noted(nil, 7); len(e.exceptions) > 0 {
			out = append(out, notes[0].value)
		}
	}
	return out
}

func readsRaised(t *testing.T, b []byte) {
	r, err := decodeRaised(b)
	if err != nil {
		return
	}
	again := r.append(nil)
	if len(again) > len(b) {
		t.Fatalf("%d bytes are written as %d", len(b), len(again))
	}
	back, err := decodeRaised(again)
	if err != nil {
		t.Fatalf("%+v: %v", r, err)
	}
	same(t, "the exceptions", back, r)
}

func resolutionSeeds(*rand.Rand) [][]byte {
	r := Resolution{Exception: ExceptionID{88, 2}, Seq: 90, At: testStart, By: "é", Note: "counted again"}
	return [][]byte{r.append(nil), (&Resolution{}).append(nil)}
}

func readsResolution(t *testing.T, b []byte) {
	r, err := decodeResolution(b)
	if err != nil {
		return
	}
	back, err := decodeResolution(r.append(nil))
	if err != nil {
		t.Fatalf("%+v: %v", r, err)
	}
	same(t, "the resolution", back, r)
}

func sourceSeeds(*rand.Rand) [][]byte {
	var t sources
	for i, n := range []uint64{4, 9, 7, 20} {
		t.saw(&EventName{Source: "till", Time: testStart, Sequence: n}, Seq(i+1), KindSale, 3, testStart+Millis(i)*100_000)
	}
	return [][]byte{t.byName["till"].append(nil), new(source).append(nil)}
}

func readsSource(t *testing.T, b []byte) {
	s, err := decodeSource(b)
	if err != nil {
		return
	}
	back, err := decodeSource(s.append(nil))
	if err != nil {
		t.Fatalf("%+v: %v", s, err)
	}
	same(t, "the source", back, s)
	for i := range uint64(100) { // whatever was read, it takes what comes
		s.Numbering.saw(i*3+1, testStart, 1, true)
	}
	if s.Rates(testStart); len(s.gaps) > gapsMax {
		t.Fatalf("%d gaps", len(s.gaps))
	}
}

func accuracySeeds(*rand.Rand) [][]byte {
	b := accuracyBucket{Tally{7, 6, 5}, 9, false}
	return [][]byte{b.append(accuracyKey{3, 4, "wms"}.append(nil)[:7]), nil}
}

func readsAccuracy(t *testing.T, b []byte) {
	k, v := b[:min(len(b), 7)], b[min(len(b), 7):]
	key, bucket, err := decodeAccuracy(k, v)
	if err != nil {
		return
	}
	key.source = "wms"
	k2, b2, err := decodeAccuracy(key.append(nil), bucket.append(nil))
	if err != nil {
		t.Fatalf("%+v: %v", bucket, err)
	}
	same(t, "the key", k2, key)
	same(t, "the tally", b2, bucket)
}

func missedSeeds(*rand.Rand) [][]byte {
	n := (&missed{1, 2, CauseVoid, testStart, -3}).note(7)
	return [][]byte{append(n.key, n.value...)}
}

func readsMissed(t *testing.T, b []byte) {
	key, value := b[:min(len(b), 17)], b[min(len(b), 17):]
	m, err := decodeMissed(key, value)
	if err != nil {
		return
	}
	n := (&missed{1, 2, m.Cause, m.Time, m.Moved}).note(m.Seq)
	back, err := decodeMissed(n.key, n.value)
	if err != nil {
		t.Fatalf("%+v: %v", m, err)
	}
	same(t, "the movement", back, m)
}

func offsetSeeds(*rand.Rand) [][]byte {
	key := offsetKey("stock", 3)
	return [][]byte{append(Offset{Next: 7, Last: Hash{8, 9}}.encode(key), key...), Offset{Next: -1}.encode("")}
}

func readsOffset(t *testing.T, b []byte) {
	v, key := b[:min(len(b), offsetBytes)], string(b[min(len(b), offsetBytes):])
	if o, err := decodeOffset(key, v); err == nil {
		if !bytes.Equal(o.encode(key), v) {
			t.Fatalf("%x is written again as %x", v, o.encode(key))
		}
		if _, err := decodeOffset(key+"0", v); err == nil {
			t.Fatal("the offset of another partition was taken")
		}
	}
	d := decoder{b: b}
	o := Offset{Next: int64(d.fixed64()), Last: Hash{d.fixed64(), d.fixed64()}}
	if back, err := decodeOffset(key, o.encode(key)); err != nil || back != o {
		t.Fatalf("%+v reads back as %+v: %v", o, back, err)
	}
}

func fixedSeeds(*rand.Rand) [][]byte {
	return [][]byte{call{Hash{1, 2}, 3, 4}.append(nil), seen{5, 6<<16 | 7}.append(nil)}
}

func readsFixed(t *testing.T, b []byte) {
	if len(b) >= 32 {
		if c := decodeCall(b[:32]); !bytes.Equal(c.append(nil), b[:32]) {
			t.Fatalf("%x is read as %+v", b[:32], c)
		}
	}
	if len(b) >= 16 {
		if s := decodeSeen(b[:16]); !bytes.Equal(s.append(nil), b[:16]) || s.seq() > 1<<48-1 {
			t.Fatalf("%x is read as %+v", b[:16], s)
		}
	}
}

func masterSeeds(*rand.Rand) (out [][]byte) {
	lat, priority := 52.37, int64(1)
	for _, info := range []any{SKUInfo{SKU: "milk", GTIN: "08710398526001", Category: "dairy", Decimals: 3, Aliases: map[string][]string{"erp": {"M1"}}},
		LocationInfo{Location: "0042", Name: "Dam", Kind: "store", Lat: &lat, Lon: &lat, TimeZone: "Europe/Amsterdam", Priority: &priority, Active: true,
			Pickup: &Pickup{LeadMinutes: 5, Cutoff: "17:00", Hours: map[string][]string{"mon": {"08:00-18:00"}}}}} {
		out = append(out, append(make([]byte, 9), mustJSON(info)...))
	}
	return out
}

func readsMaster(t *testing.T, b []byte) {
	readsRecord(t, b, func(i SKUInfo) (string, uint32) { return i.SKU, 0 })
	readsRecord(t, b, func(i LocationInfo) (string, uint32) { return i.Location, 0 })
}

// readsRecord has no other codec to hold the record against than the one that reads it:
// what it says must be what is written of it.
func readsRecord[T any](t *testing.T, b []byte, name func(T) (string, uint32)) {
	var g registry[T]
	g.init(func(*T) traits { return 0 })
	if err := loadRecord(&g, masterKey('x', 1), b, name); err != nil {
		return
	}
	r := g.get(1)
	if id, ok := g.lookup([]byte(r.name)); r.name != "" && (!ok || id != 1) {
		t.Fatalf("%q is not found by its name", r.name)
	}
	var back T
	if err := json.Unmarshal(mustJSON(r.info), &back); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(mustJSON(back), mustJSON(r.info)) || r.seq != Seq(binary.BigEndian.Uint64(b)) {
		t.Fatalf("%+v reads back as %+v", r.info, back)
	}
}

func completeSeeds(rng *rand.Rand) (out [][]byte) {
	for range 4 {
		c := newComplete(Seq(rng.Uint32())+1, Millis(rng.Uint32()), rng.IntN(2) == 0, "erp", "é")
		out = append(out, c.append(completeKey(Location(rng.Uint32()), c.seq)))
	}
	return out
}

func readsComplete(t *testing.T, b []byte) {
	if len(b) < 13 {
		return
	}
	loc, c, err := decodeComplete(b[:13], b[13:])
	if err != nil {
		return
	}
	again := c.append(completeKey(loc, c.seq))
	if len(again) > len(b) {
		t.Fatalf("%d bytes are written as %d", len(b), len(again))
	}
	loc2, back, err := decodeComplete(again[:13], again[13:])
	if err != nil || loc2 != loc || back != c {
		t.Fatalf("%+v reads back as %+v: %v", c, back, err)
	}
}
