package discovery

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strconv"
	"time"

	"github.com/pgrescue/pgrescue/importers/mapping"
	"github.com/pgrescue/pgrescue/recover/evidence"
)

// maxState is how long the copy of all rows may be that a state holds. jsonb has offsets of 28
// bits: what is longer than 256 MiB it refuses, and with it the whole import.
const maxState = 200_000_000

// largeState is how long a copy is that is worth a collection of garbage.
const largeState = 16 << 20

// Names and texts are no longer in jsonb than in JSON. A number is: of one digit it takes
// numberInJSONB bytes more.
const numberInJSONB = 14

// decideState says whether the states hold copies of the rows.
func (im *Import) decideState() {
	size := im.content.Size + numberInJSONB*im.values
	im.stateful = im.opts.State && size <= maxState
	if im.opts.State && !im.stateful {
		im.note("the states of the flows get no copy of the rows: it would take about %d bytes, more than jsonb surely holds", size)
	}
	if im.content.Size > math.MaxInt32 {
		im.note("file_size stays empty: the application counted %d characters, more than the column holds", im.content.Size)
	}
}

func (im *Import) note(format string, args ...any) {
	im.summary.Notes = append(im.summary.Notes, fmt.Sprintf(format, args...))
}

// one makes a table with one row.
func (im *Import) one(table string, names []string, keys [][]string, fill func(w *writer) error) Table {
	sh := im.opts.Schema.shape(table, names)
	if sh == nil {
		return Table{}
	}
	return Table{Relation: sh.rel, Keys: keys, Rows: func(yield func(*evidence.Row, error) bool) {
		w := im.writer(sh)
		w.begin(im.list.Head().Line)
		if err := fill(w); err != nil {
			yield(nil, err)
			return
		}
		yield(w.end(), nil)
	}}
}

// masterFlow is the row of crewai_flow_state_extensions (fact sheet 1.1 step 3c, 1.5).
func (im *Import) masterFlow(ctx context.Context) Table {
	names := []string{
		"id", "flow_id", "client_account_id", "engagement_id", "user_id", "flow_type", "flow_name",
		"flow_status", "flow_configuration", "flow_persistence_data",
	}
	return im.one(tableMasterFlows, names, [][]string{{"flow_id"}}, func(w *writer) error {
		flow, tenant := im.ids.Flow.String(), im.opts.Tenant
		configuration := pyObject("source", "data_import", "import_id", im.ids.Import.String(), "filename", im.content.Filename,
			"import_timestamp", pyTime(im.ids.Time))
		w.strings(
			0, im.rowID(tableMasterFlows, flow, "").String(), flow, tenant.ClientAccount.String(), tenant.Engagement.String(),
			im.userText(), "discovery", "Discovery Import "+im.ids.Import.String(), "running", configuration,
		)
		state, err := im.appendState(ctx, nil, pyObject("data_import_id", im.ids.Import.String()))
		w.text(9, state)
		return err
	})
}

// dataImport is the row of data_imports (fact sheet 1.2).
func (im *Import) dataImport() Table {
	names := []string{
		"id", "client_account_id", "engagement_id", "master_flow_id", "import_name", "import_type", "description", "filename",
		"file_size", "mime_type", "source_system", "status", "total_records", "processed_records", "failed_records", "imported_by", "updated_at",
	}
	return im.one(tableImports, names, nil, func(w *writer) error {
		tenant, user := im.opts.Tenant, im.userText()
		if user == "system" {
			user = demoUser.String()
		}
		category := im.opts.Category
		w.strings(
			0, im.ids.Import.String(), tenant.ClientAccount.String(), tenant.Engagement.String(), im.ids.Flow.String(),
			im.content.Filename+" Import", category, "Data import for "+category+" category", im.content.Filename,
			strconv.FormatInt(im.content.Size, 10), "application/json", category, "processing",
			strconv.FormatInt(im.content.Records, 10), "0", "0", user,
			// Two UPDATEs follow the INSERT (1.1 steps 3b and 3e), and the ORM sets the time at each.
			pgTime(im.ids.Time),
		)
		if im.content.Size > math.MaxInt32 {
			w.all[8] = evidence.Value{State: evidence.Null}
		}
		return nil
	})
}

// discoveryFlow is the row of discovery_flows (fact sheet 1.1 step 3d, 1.5).
func (im *Import) discoveryFlow(ctx context.Context) Table {
	names := []string{
		"id", "flow_id", "master_flow_id", "client_account_id", "engagement_id", "user_id", "data_import_id", "flow_name",
		"status", "current_phase", "crewai_state_data", "data_cleansing_completed",
	}
	if !im.reaches(Assets) {
		names = names[:len(names)-1] // false, by default
	}
	return im.one(tableFlows, names, [][]string{{"flow_id"}}, func(w *writer) error {
		flow, tenant := im.ids.Flow.String(), im.opts.Tenant
		w.strings(
			0, im.rowID(tableFlows, flow, "").String(), flow, flow, tenant.ClientAccount.String(), tenant.Engagement.String(), im.userText(),
			im.ids.Import.String(), "Discovery Flow "+flow[:8], "initialized", "initialization",
		)
		state, err := im.appendState(ctx, nil, im.flowMetadata())
		w.text(10, state)
		if im.reaches(Assets) {
			w.string(11, "t") // 1.1 step 5
		}
		return err
	})
}

// flowMetadata is what crewai_state_data holds beside the rows. A flow times out after a day (4.3, line 17).
func (im *Import) flowMetadata() string {
	now := pyTime(im.ids.Time)
	columns := []byte{'['}
	for i, name := range im.names {
		if i > 0 {
			columns = append(columns, ", "...)
		}
		columns = mapping.AppendJSONString(columns, name)
	}
	metadata := pyObject("source", "data_import", "import_id", im.ids.Import.String(), "master_flow_id", im.ids.Flow.String(), "import_timestamp", now)
	metadata = metadata[:len(metadata)-1] + ", "
	if !im.nameless {
		metadata += `"detected_columns": ` + string(columns) + "], "
	}
	return `{"metadata": ` + metadata + pyObject("timeout_at", pyTime(im.ids.Time.Add(24*time.Hour)), "created_at", now)[1:] + "}"
}

// pyObject prints names and texts as an object.
func pyObject(pairs ...string) string {
	b := []byte{'{'}
	for i := 0; i < len(pairs); i += 2 {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = append(mapping.AppendJSONString(b, pairs[i]), ": "...)
		b = mapping.AppendJSONString(b, pairs[i+1])
	}
	return string(append(b, '}'))
}

// appendState appends an object: all rows under raw_data, and what rest holds. It is for jsonb alone.
func (im *Import) appendState(ctx context.Context, dst []byte, rest string) ([]byte, error) {
	if !im.stateful {
		return append(dst, rest...), nil
	}
	if im.content.Size > largeState {
		// Of the flow before this one there may be a copy that nothing uses any more, and the one that COPY's
		// text took: the memory of both is taken again, and two copies are the most there are.
		runtime.GC()
	}
	dst = slices.Grow(dst, int(im.content.Size)+len(rest)+len(`{"raw_data": , `))
	dst = append(dst, `{"raw_data": [`...)
	first := true
	for k, err := range im.records(ctx, heard, nil) {
		if err != nil {
			return nil, err
		}
		if !first {
			dst = append(dst, ", "...)
		}
		first = false
		dst = appendCharacters(dst, k.raw)
	}
	// All of it here: a state with an escape left would be copied as a whole.
	return appendCharacters(append(dst, "], "...), []byte(rest[1:])), nil
}

// each makes a table with a row for each record.
func (im *Import) each(ctx context.Context, sh *shape, keys [][]string, fill func(w *writer, k *kept)) Table {
	return Table{Relation: sh.rel, Keys: keys, Rows: func(yield func(*evidence.Row, error) bool) {
		w := im.writer(sh)
		for k, err := range im.records(ctx, heard, nil) {
			if err != nil {
				yield(nil, err)
				return
			}
			w.begin(k.Line)
			fill(w, k)
			if !yield(w.end(), nil) {
				return
			}
		}
	}}
}
