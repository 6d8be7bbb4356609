package restore

import (
	"errors"
	"testing"

	"github.com/pgrescue/pgrescue/recover/evidence"
)

func TestParseChoice(t *testing.T) {
	t.Parallel()
	tables := []evidence.RelationName{
		{Schema: "public", Name: "orders"},
		{Schema: "shop", Name: "orders"},
		{Schema: "shop", Name: "Items"},
		{Schema: "Схема", Name: `weird " name`},
		{Schema: "a", Name: "twice"},
		{Schema: "b", Name: "twice"},
		{Schema: "orders", Name: "state"},
	}
	for text, want := range map[string]Choice{
		"keep":                         {"", "", TakeTarget},
		"orders=keep":                  {"public.orders", "", TakeTarget},
		"ORDERS=overwrite":             {"public.orders", "", TakeCase},
		"shop.orders=fill":             {"shop.orders", "", FillNulls},
		"orders.id=fill":               {"public.orders", "id", FillNulls},
		"orders.state=fill":            {"orders.state", "", FillNulls},
		"shop.Items=keep":              {`shop."Items"`, "", TakeTarget},
		"shop.orders.Note=keep":        {"shop.orders", "note", TakeTarget},
		`shop.orders."N.=o"=keep`:      {"shop.orders", "N.=o", TakeTarget},
		`"Схема"."weird "" name"=keep`: {`"Схема"."weird "" name"`, "", TakeTarget},
	} {
		got, err := ParseChoice(text, tables)
		if err != nil || got != want {
			t.Errorf("%s: %+v, %v, want %+v", text, got, err, want)
		}
	}
	for text, want := range map[string]error{
		"orders":              ErrChoice,
		"orders=":             ErrChoice,
		"orders=replace":      ErrChoice,
		"=keep":               ErrChoice,
		"twice=keep":          ErrChoice,
		"a..b=keep":           ErrChoice,
		`"a=keep`:             ErrChoice,
		"a.b.c.d=keep":        ErrChoice,
		"nothing=keep":        ErrNoTable,
		"shop.nothing.x=keep": ErrNoTable,
	} {
		if got, err := ParseChoice(text, tables); !errors.Is(err, want) {
			t.Errorf("%s: %+v, the error is %v", text, got, err)
		}
	}
}
