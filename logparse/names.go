package logparse

// Names gives each text that comes again and again, such as the name of a user, as one string.
type Names struct {
	known map[string]string
	last  string
}

// maxNames bounds what is kept of texts: a hostile log has a name a line.
const maxNames = 1 << 13

// Of gives the text as a string.
func (n *Names) Of(text []byte) string {
	switch {
	case len(text) == 0:
		return ""
	case string(text) == n.last:
		return n.last
	}
	name, ok := n.known[string(text)]
	if !ok {
		if n.known == nil || len(n.known) >= maxNames {
			n.known = make(map[string]string)
		}
		name = string(text)
		n.known[name] = name
	}
	n.last = name
	return name
}
