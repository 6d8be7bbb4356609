package pglog

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/pgrescue/pgrescue/logparse/statement"
)

// Parameter is the value of one parameter, in PostgreSQL's text form.
type Parameter struct {
	Text string
	Null bool
	// Cut tells that the text ends with three dots, as log_parameter_max_length leaves them: then it is not
	// the whole value. A value that ends so by itself cannot be told from that.
	Cut bool
}

// Parameters takes an Event's parameters apart: the first is $1. ok is false where they are not as PostgreSQL writes
// them; what stands before that place is given.
func Parameters(text string) (values []Parameter, ok bool) {
	for number := 1; ; number++ {
		rest, found := strings.CutPrefix(text, "$"+strconv.Itoa(number)+" = ")
		if !found {
			return values, false
		}
		var value Parameter
		switch {
		case strings.HasPrefix(rest, "NULL"):
			value.Null, text = true, rest[len("NULL"):]
		case strings.HasPrefix(rest, "'"):
			var whole bool
			if value.Text, text, whole = statement.Quoted(rest); !whole {
				return values, false
			}
			value.Cut = strings.HasSuffix(value.Text, "...")
		default:
			return values, false
		}
		values = append(values, value)
		if text == "" {
			return values, true
		}
		if text, found = strings.CutPrefix(text, ", "); !found {
			return values, false
		}
	}
}

// parametersOf gives what a DETAIL says of parameters, and the PREPARE of an EXECUTE.
func parametersOf(detail []byte) (parameters, prepared []byte) {
	if len(detail) == 0 {
		return nil, nil
	}
	for _, label := range [...]string{"parameters: ", "Parameters: "} {
		if rest, ok := bytes.CutPrefix(detail, []byte(label)); ok {
			return rest, nil
		}
	}
	if rest, ok := bytes.CutPrefix(detail, []byte("prepare: ")); ok {
		return nil, rest
	}
	return nil, nil
}
