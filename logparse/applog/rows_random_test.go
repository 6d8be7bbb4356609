package applog

import (
	"math/rand/v2"
	"strings"
	"testing"
)

// mixed merges the lines of several backends' requests at random. The lines of each keep their order.
func mixed(random *rand.Rand, texts ...string) string {
	var list [][]string
	for _, text := range texts {
		list = append(list, strings.Split(strings.TrimSuffix(text, "\n"), "\n"))
	}
	var out strings.Builder
	for len(list) > 0 {
		i := random.IntN(len(list))
		out.WriteString(list[i][0] + "\n")
		if list[i] = list[i][1:]; len(list[i]) == 0 {
			list = append(list[:i], list[i+1:]...)
		}
	}
	return out.String()
}

// doubted reports whether a row tells that a value may be another import's.
func doubted(g got, name string) bool {
	return g["note"] != "" || strings.HasPrefix(g[name], "?") || strings.Contains(g["@"+name], "doubt") || strings.Contains(g["@"+name], "masked there")
}

// TestRowsOfManyAtOnce mixes imports at random, of which some are rolled back: without a doubt none gets what is another's.
func TestRowsOfManyAtOnce(t *testing.T) {
	t.Parallel()
	pack := discoveryPack(t)
	sure := 0
	for range 500 {
		seed := rand.Uint64()
		random := rand.New(rand.NewPCG(seed, 0))
		type truth struct{ id, client, value string }
		var texts []string
		truths := make(map[string]truth)
		gone := make(map[string]bool)
		for i, one := range []truth{{imported, client, "v0"}, {otherImport, otherClient, "v1"}, {strings.Replace(imported, "a1", "c1", 1), strings.Replace(client, "1111", "7777", 1), "v2"}}[:2+random.IntN(2)] {
			rows := string(rune('1' + random.IntN(2)))
			body := `{"file_data":[{"Server Name":"` + one.value + `"}` + strings.Repeat(`,{"Server Name":"`+one.value+`"}`, int(rows[0]-'1')) + `],"metadata":{"filename":"` + one.value + `.csv"}}`
			if random.IntN(4) == 0 {
				body = body[:len(body)-random.IntN(60)]
			}
			flows := strings.Replace(flow, flow[:2], string(rune('1'+i))+"f", 1)
			text := strings.Replace(anImport(one.client, one.id, flows, rows), "🔄 Starting", "🔍 DEBUG: Raw request body: "+body+"\n🔄 Starting", 1)
			if random.IntN(3) == 0 {
				gone[one.id] = true
				text += "❌ Transaction failed, rolling back: no room\n"
			} else {
				text += committed(one.id, rows)
			}
			if random.IntN(3) == 0 { // ids are masked, but for their ends
				text = strings.ReplaceAll(text, "client="+one.client, "client=***"+one.client[len(one.client)-8:])
			}
			if random.IntN(3) == 0 {
				lines := strings.SplitAfter(text, "\n")
				for j := range lines {
					if lines[j] != "" {
						lines[j] = one.value + "\t" + lines[j]
					}
				}
				text = strings.Join(lines, "")
			}
			truths[one.id] = one
			texts = append(texts, text)
		}
		log := mixed(random, texts...)
		rows := NewRows(pack, RowsOptions{})
		readInto(rows, "app.log", log)
		if random.IntN(2) == 0 {
			readInto(rows, "copy.log", log)
		}
		fail := func(what string, g got) {
			t.Fatalf("seed %d: %s: %v\nof the log\n%s", seed, what, g, log)
		}
		tables := allOf(t, rows)
		for name, list := range tables {
			column := "data_import_id"
			if name == "data_imports" {
				column = "id"
			}
			for _, g := range list {
				one, ok := truths[g[column]]
				if !ok || doubted(g, column) {
					continue
				}
				sure++
				if gone[one.id] && g["operation"] == "" {
					fail("a row of an import that was rolled back", g)
				}
				if !doubted(g, "client_account_id") && g["client_account_id"] != "" && g["client_account_id"] != one.client {
					fail("another's tenant", g)
				}
				if value := g["filename"]; value != "" && !doubted(g, "filename") && value != one.value+".csv" {
					fail("another's file", g)
				}
				if value := g["raw_data"]; value != "" && !doubted(g, "raw_data") && value != `{"Server Name": "`+one.value+`"}` {
					fail("another's row", g)
				}
			}
		}
		seen := make(map[string]bool)
		for _, g := range tables["data_imports"] {
			if id := g["id"]; seen[id] && !strings.HasPrefix(id, "?") {
				fail("an import twice", g)
			}
			seen[g["id"]] = true
		}
	}
	if sure < 300 {
		t.Errorf("only %d rows are there without a doubt", sure)
	}
}
