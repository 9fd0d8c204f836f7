package ledger

// gtin14 appends a GTIN-8, -12, -13 or -14 in 14 digits, so that those of one article are
// equal however many zeroes are in front. Its check digit is not looked at: two that differ
// in it are two codes, and retailers' own numbers, which often have a wrong one, are found
// like any other. ok is false of another length and of what is no digits.
func gtin14(b, code []byte) (gtin []byte, ok bool) {
	switch len(code) {
	case 8, 12, 13, 14:
	default:
		return b, false
	}
	for _, c := range code {
		if c < '0' || c > '9' {
			return b, false
		}
	}
	return append(append(b, "00000000000000"[len(code):]...), code...), true
}
