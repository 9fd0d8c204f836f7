package format

import "strings"

// epcisItem is the item that an EPC or an EPC class names: its GTIN in 14 digits, of a GS1
// Digital Link (/01/), an SGTIN or LGTIN URN or a pattern of one, where its serial number or lot
// is left out; another text as it stands. Not ok: it is a container or another thing that is no
// goods.
func epcisItem(s string) (item string, ok bool) {
	if gtin, found := linkKey(s, "01"); found && digits(gtin) && len(gtin) >= 8 && len(gtin) <= 14 {
		return strings.Repeat("0", 14-len(gtin)) + gtin, true
	}
	for _, scheme := range [...]string{"urn:epc:id:sgtin:", "urn:epc:idpat:sgtin:", "urn:epc:class:lgtin:"} {
		rest, found := strings.CutPrefix(s, scheme)
		if !found {
			continue
		}
		parts := strings.SplitN(rest, ".", 3)
		if len(parts) < 2 || len(parts[0])+len(parts[1]) != 13 || !digits(parts[0]+parts[1]) || parts[1] == "" {
			return "", false
		}
		body := parts[1][:1] + parts[0] + parts[1][1:]
		return body + checkDigit(body), true
	}
	return s, s != "" && !strings.HasPrefix(s, "urn:epc:") && !epcisContainer(s)
}

// epcisContainer says that an EPC is of something that is no goods: a pallet, a crate, an
// asset, a document, a consignment.
func epcisContainer(s string) bool {
	for _, scheme := range [...]string{"sscc", "grai", "giai", "gdti", "gsrn", "sgcn", "ginc", "gsin", "itip", "cpi", "gid", "pgln", "sgln"} {
		if strings.HasPrefix(s, "urn:epc:id:"+scheme+":") {
			return true
		}
	}
	for _, key := range [...]string{"00", "8003", "8004", "253", "255", "401", "402"} {
		if _, found := linkKey(s, key); found {
			return true
		}
	}
	return false
}

// epcisLocation is the location that an id names: the GLN of a Digital Link (/414/) or of an
// SGLN URN, without what is inside it; another text as it stands.
func epcisLocation(s string) string {
	if gln, found := linkKey(s, "414"); found && len(gln) == 13 && digits(gln) {
		return gln
	}
	if rest, found := strings.CutPrefix(s, "urn:epc:id:sgln:"); found {
		if parts := strings.SplitN(rest, ".", 3); len(parts) >= 2 && len(parts[0])+len(parts[1]) == 12 && digits(parts[0]+parts[1]) {
			return parts[0] + parts[1] + checkDigit(parts[0]+parts[1])
		}
	}
	return s
}

// linkKey finds a key of a GS1 Digital Link in a web address.
func linkKey(s, key string) (value string, found bool) {
	if !strings.HasPrefix(s, "https://") && !strings.HasPrefix(s, "http://") {
		return "", false
	}
	s, _, _ = strings.Cut(s, "?")
	_, rest, found := strings.Cut(s, "/"+key+"/")
	value, _, _ = strings.Cut(rest, "/")
	return value, found && value != ""
}

// checkDigit is the last digit of a GS1 key (General Specifications, 7.9: weights 3 and 1 from the right).
func checkDigit(body string) string {
	sum := 0
	for i := range len(body) {
		weight := 1
		if (len(body)-i)%2 == 1 {
			weight = 3
		}
		sum += int(body[i]-'0') * weight
	}
	return string(rune('0' + (10-sum%10)%10))
}

// cbvWord is a word of the Core Business Vocabulary, however it is written: retail_selling,
// urn:epcglobal:cbv:bizstep:retail_selling, https://ref.gs1.org/cbv/BizStep-retail_selling.
func cbvWord(s string) string {
	s = s[strings.LastIndexAny(s, ":/")+1:]
	for _, kind := range [...]string{"BizStep-", "Disp-", "BTT-", "SDT-", "ER-"} {
		s = strings.TrimPrefix(s, kind)
	}
	return strings.ToLower(s)
}

// lastOf is what stands last in an identifier.
func lastOf(s string) string { return s[strings.LastIndexAny(s, ":/")+1:] }
