package datum

import (
	"bytes"
)

// appendXML follows xml_out (xml.c): the text as it was given, but for its
// declaration. That loses its encoding, since the text is in another one now,
// and is left out when it says nothing else than version 1.0.
func appendXML(dst, raw []byte) ([]byte, error) {
	declaration, ok := parseXMLDeclaration(raw)
	if !ok { // the server warns, and prints what is there
		return appendText(dst, raw)
	}
	rest := raw[declaration.length:]
	if declaration.standalone != "" || declaration.version != "" && declaration.version != "1.0" {
		version := declaration.version
		if version == "" {
			version = "1.0"
		}
		dst = append(append(append(dst, `<?xml version="`...), version...), '"')
		if declaration.standalone != "" {
			dst = append(append(append(dst, ` standalone="`...), declaration.standalone...), '"')
		}
		dst = append(dst, "?>"...)
	} else {
		rest = bytes.TrimPrefix(rest, []byte{'\n'})
	}
	return appendText(dst, rest)
}

// xmlDeclaration is what the declaration at the start of an XML text says.
type xmlDeclaration struct {
	length              int
	version, standalone string
}

// parseXMLDeclaration reads the declaration as parse_xml_decl does (xml.c): version,
// encoding and standalone in this order. No declaration is fine; a wrong one is not.
func parseXMLDeclaration(text []byte) (d xmlDeclaration, ok bool) {
	rest, found := bytes.CutPrefix(text, []byte("<?xml"))
	if !found || isXMLName(rest) { // such as <?xml-stylesheet
		return d, true
	}
	var version []byte
	if version, rest, ok = xmlAttribute(rest, "version"); !ok || version == nil {
		return d, false
	}
	d.version = string(version)
	if _, rest, ok = xmlAttribute(rest, "encoding"); !ok {
		return d, false
	}
	var standalone []byte
	if standalone, rest, ok = xmlAttribute(rest, "standalone"); !ok {
		return d, false
	}
	if standalone != nil {
		if d.standalone = string(standalone); d.standalone != "yes" && d.standalone != "no" {
			return d, false
		}
	}
	if rest, found = bytes.CutPrefix(trimXMLSpace(rest), []byte("?>")); !found {
		return d, false
	}
	d.length = len(text) - len(rest)
	for _, c := range text[:d.length] {
		if c > 127 {
			return d, false
		}
	}
	return d, true
}

// isXMLName reports whether the text goes on with a character of a name. Such
// characters outside of ASCII can be letters too; a declaration has none.
func isXMLName(text []byte) bool {
	if len(text) == 0 {
		return false
	}
	c := text[0]
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c > 127 || bytes.IndexByte([]byte(".-_:"), c) >= 0
}

func trimXMLSpace(text []byte) []byte { return bytes.TrimLeft(text, " \t\r\n") }

// xmlAttribute reads an attribute if it comes next: nil and the same rest if
// another thing does, not ok if it is broken.
func xmlAttribute(text []byte, name string) (value, rest []byte, ok bool) {
	rest, found := bytes.CutPrefix(trimXMLSpace(text), []byte(name))
	if !found {
		return nil, text, true
	}
	if len(trimXMLSpace(text)) == len(text) {
		return nil, text, false // no space before it
	}
	if rest, found = bytes.CutPrefix(trimXMLSpace(rest), []byte{'='}); !found {
		return nil, text, false
	}
	rest = trimXMLSpace(rest)
	if len(rest) == 0 || rest[0] != '"' && rest[0] != '\'' {
		return nil, text, false
	}
	end := bytes.IndexByte(rest[1:], rest[0])
	if end < 0 {
		return nil, text, false
	}
	return rest[1 : 1+end : 1+end], rest[end+2:], true
}
