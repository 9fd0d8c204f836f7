package ingest

import (
	"strconv"
	"unicode/utf8"

	"onhand/jsonread"
)

// Lengths of names, in bytes.
const (
	skuBytesMax      = 128
	locationBytesMax = 64
	nameBytesMax     = 512 // of an event's source and id
	textBytesMax     = 256 // of names, categories and aliases in master data
)

// ValidSKU says whether b can name a SKU: 1 to 128 bytes of UTF-8 without control characters.
func ValidSKU(b []byte) bool { return plainText(b, skuBytesMax) && len(b) > 0 }

// ValidLocation says whether b can name a location: 1 to 64 bytes of UTF-8 without control characters.
func ValidLocation(b []byte) bool { return plainText(b, locationBytesMax) && len(b) > 0 }

// plainText says whether b is at most bytesMax of UTF-8 without control characters.
func plainText(b []byte, bytesMax int) bool {
	if len(b) > bytesMax {
		return false
	}
	ascii := true
	for _, c := range b {
		if c < ' ' || c == 0x7f {
			return false
		}
		ascii = ascii && c < utf8.RuneSelf
	}
	if ascii {
		return true
	}
	for len(b) > 0 {
		c, n := utf8.DecodeRune(b)
		if c == utf8.RuneError && n == 1 || c >= 0x80 && c < 0xa0 {
			return false
		}
		b = b[n:]
	}
	return true
}

var (
	wantSKU      = "a SKU: " + wantText(1, skuBytesMax)
	wantLocation = "a location: " + wantText(1, locationBytesMax)
)

func wantText(bytesMin, bytesMax int) string {
	return strconv.Itoa(bytesMin) + " to " + strconv.Itoa(bytesMax) + " bytes without control characters"
}

// readText reads a text of bytesMin to bytesMax bytes without control characters.
// The bytes live as those of Reader.Text.
func readText(r *jsonread.Reader, bytesMin, bytesMax int) []byte {
	b := r.Text()
	if r.Err() == nil && (len(b) < bytesMin || !plainText(b, bytesMax)) {
		r.Refuse(wantText(bytesMin, bytesMax))
	}
	return b
}

func readSKU(r *jsonread.Reader) []byte {
	b := r.Text()
	if r.Err() == nil && !ValidSKU(b) {
		r.Refuse(wantSKU)
	}
	return b
}

func readLocation(r *jsonread.Reader) []byte {
	b := r.Text()
	if r.Err() == nil && !ValidLocation(b) {
		r.Refuse(wantLocation)
	}
	return b
}
