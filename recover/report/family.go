package report

import (
	"slices"

	"github.com/pgrescue/pgrescue/recover/casefile"
	"github.com/pgrescue/pgrescue/recover/evidence"
)

// cascadeText is how a case says that a DELETE of the parent takes the child's rows along.
const cascadeText = "CASCADE"

// noParent stands for a table that refers to none of the others.
const noParent = -1

// place is where a table of a transaction stands: below which other, and by which key.
type place struct {
	parent int // its index; noParent
	key    *casefile.ForeignKey
}

// family finds for each table of a transaction the one that it stands below: by a key with ON DELETE
// CASCADE if there is one, else by any. A circle is cut where it would close.
func (b *builder) family(d *destroyer) []place {
	places := make([]place, len(d.Tables))
	at := make(map[evidence.RelationName]int)
	for i := range d.Tables {
		places[i].parent = noParent
		for _, name := range slices.Backward(b.familyOf(d.Tables[i].RelationName)) {
			if _, known := at[name]; !known || name == d.Tables[i].RelationName {
				at[name] = i
			}
		}
	}
	children := make(map[evidence.RelationName][]int)
	for i := range d.Tables {
		for _, name := range b.familyOf(d.Tables[i].RelationName) {
			children[name] = append(children[name], i)
		}
	}
	for _, cascades := range []bool{true, false} {
		for k := range b.summary.ForeignKeys {
			key := &b.summary.ForeignKeys[k]
			parent, hurt := at[key.Parent]
			if !hurt || key.Child == key.Parent || (key.OnDelete == cascadeText) != cascades {
				continue
			}
			for _, child := range children[key.Child] {
				if places[child].parent == noParent && !leadsTo(places, parent, child) {
					places[child] = place{parent, key}
				}
			}
		}
	}
	return places
}

// leadsTo reports whether a table stands, over how many others ever, below another, or is it.
func leadsTo(places []place, from, to int) bool {
	for from != noParent {
		if from == to {
			return true
		}
		from = places[from].parent
	}
	return false
}

// keyText says what a foreign key does when the parent's rows are deleted.
func (b *builder) keyText(key *casefile.ForeignKey) string {
	if key.OnDelete == "" {
		return "by a foreign key"
	}
	return b.say.text("ON DELETE " + key.OnDelete)
}
