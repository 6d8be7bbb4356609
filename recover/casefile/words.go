package casefile

import (
	"slices"

	"github.com/pgrescue/pgrescue/recover/evidence"
)

// The numbers of schema.sql are the places of words in these lists, from 1; 0 stands
// for a word that is not known.

func confidences() [3]evidence.Confidence {
	return [...]evidence.Confidence{evidence.Proven, evidence.Derived, evidence.Claimed}
}

func operations() [5]evidence.Operation {
	return [...]evidence.Operation{evidence.OpDelete, evidence.OpUpdate, evidence.OpDropColumn, evidence.OpTruncate, evidence.OpDrop}
}

// number is the number of a word in its list.
func number[W comparable](list []W, word W) int64 { return int64(slices.Index(list, word)) + 1 }

// word is the word of a number, or the empty one.
func word[W ~string](list []W, number int64) W {
	if number < 1 || number > int64(len(list)) {
		return ""
	}
	return list[number-1]
}

func routeID(r evidence.Route) int64  { return number(evidence.Routes(), r) }
func routeOf(id int64) evidence.Route { return word(evidence.Routes(), id) }

func operationID(op evidence.Operation) int64 {
	list := operations()
	return number(list[:], op)
}

func operationOf(id int64) evidence.Operation {
	list := operations()
	return word(list[:], id)
}

// confidenceID and confidenceOf take what is not known for claimed, which trusts least.
func confidenceID(c evidence.Confidence) int64 {
	list := confidences()
	if n := number(list[:], c); n > 0 {
		return n
	}
	return number(list[:], evidence.Claimed)
}

func confidenceOf(id int64) evidence.Confidence {
	list := confidences()
	if c := word(list[:], id); c != "" {
		return c
	}
	return evidence.Claimed
}
