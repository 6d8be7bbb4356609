package applog

import (
	"fmt"

	"github.com/pgrescue/pgrescue/recover/pg"
)

// canonical writes a text of a log as PostgreSQL prints a value of the type, where that needs no server; trouble says why
// it is no value of the type, where that is certain.
func canonical(typ, text string) (canon, trouble string) {
	if made, ok := pg.Canonical(typ, []byte(text)); ok {
		return string(made), ""
	}
	switch typ {
	case "uuid", "smallint", "integer", "bigint", "double precision", "boolean":
		return "", fmt.Sprintf("%q is no %s", shortened(text), typ)
	}
	return text, ""
}

// maxShown is how much of a text a reason shows.
const maxShown = 60

// shortened is a text for people.
func shortened(text string) string {
	if runes := []rune(text); len(runes) > maxShown {
		return string(runes[:maxShown]) + "…"
	}
	return text
}
