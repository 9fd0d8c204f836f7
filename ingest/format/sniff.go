package format

import "bytes"

// SniffBytes is how much of a file Sniff looks at.
const SniffBytes = 4096

// Sniff tells a format by how a file begins; "" where that says nothing.
func Sniff(begin []byte) string {
	begin = bytes.TrimLeft(bytes.TrimPrefix(begin, []byte("\xef\xbb\xbf")), " \t\r\n")
	has := func(texts ...string) bool {
		for _, t := range texts {
			if bytes.Contains(begin, []byte(t)) {
				return true
			}
		}
		return false
	}
	switch {
	case bytes.HasPrefix(begin, []byte("ISA")):
		return "x12"
	case bytes.HasPrefix(begin, []byte("UNA")), bytes.HasPrefix(begin, []byte("UNB")):
		return "edifact"
	case bytes.HasPrefix(begin, []byte("<")):
		switch {
		case has("<WPUBON", "<MBGMCR", "<IDOC"):
			return "idoc"
		case has("POSLog"):
			return "poslog"
		}
		return ""
	case bytes.HasPrefix(begin, []byte("{")), bytes.HasPrefix(begin, []byte("[")):
		switch {
		case has(`"specversion"`):
			return "cloudevents"
		case has(`"EPCISDocument"`, `"epcisBody"`):
			return "epcis"
		case has(`"inventory.count.updated"`):
			return "square"
		case has(`"inventory_item_id"`):
			return "shopify"
		case has(`"organizationId"`):
			return "d365"
		case has(`"RetailTransaction"`):
			return "poslog"
		}
		return ""
	}
	line, _, _ := bytes.Cut(begin, []byte{'\n'})
	if bytes.ContainsAny(line, ",;\t|") {
		return "csv"
	}
	return ""
}
