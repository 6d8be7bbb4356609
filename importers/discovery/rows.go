package discovery

import (
	"context"
	"slices"
	"strconv"

	"github.com/pgrescue/pgrescue/importers/mapping"
	"github.com/pgrescue/pgrescue/recover/evidence"
)

// rawRecords are the rows of raw_import_records: at the last stage as the cleansing left them
// (fact sheet 1.1 steps 3b and 5).
func (im *Import) rawRecords(ctx context.Context) Table {
	names := []string{
		"id", "data_import_id", "client_account_id", "engagement_id", "row_number", "raw_data",
		"master_flow_id", "cleansed_data", "is_processed", "is_valid",
	}
	cleansed := im.reaches(Assets)
	if !cleansed {
		names = names[:6] // the others are null, or as the default has them
	}
	sh := im.opts.Schema.shape(tableRawRecords, names)
	if sh == nil {
		return Table{}
	}
	tenant := im.opts.Tenant
	// What is the same in every row is made once.
	importID, client, engagement := []byte(im.ids.Import.String()), []byte(tenant.ClientAccount.String()), []byte(tenant.Engagement.String())
	flow, yes := []byte(im.ids.Flow.String()), []byte{'t'}
	keys := [][]string{{"data_import_id", "row_number"}}
	return im.each(ctx, sh, keys, func(w *writer, k *kept) {
		w.id(0, im.rawID(k.number))
		w.text(1, importID)
		w.text(2, client)
		w.text(3, engagement)
		w.build(4, func(dst []byte) []byte { return strconv.AppendInt(dst, k.number, 10) })
		w.text(5, k.raw)
		if cleansed {
			w.text(6, flow)
			w.build(7, func(dst []byte) []byte { return im.appendCleansed(dst, k.raw) })
			w.text(8, yes)
			w.text(9, yes)
		}
	})
}

// appendCleansed appends what the fallback cleansing of the incident's time made of a record: the
// source's names and values stayed, and it added what it was and when (fact sheet 2.6).
func (im *Import) appendCleansed(dst, raw []byte) []byte {
	dst = append(dst, raw[:len(raw)-1]...)
	if len(raw) > 2 {
		dst = append(dst, ", "...)
	}
	return append(dst, im.cleansing...)
}

// fieldMappings are the rows of import_field_mappings: one for each name of the header (fact sheet 1.1 step 4).
func (im *Import) fieldMappings() Table {
	names := []string{
		"id", "data_import_id", "client_account_id", "master_flow_id", "source_field", "target_field", "match_type",
		"confidence_score", "status", "suggested_by", "engagement_id", "approved_by", "approved_at",
	}
	approved := im.reaches(Assets)
	if !approved {
		names = names[:11]
	}
	sh := im.opts.Schema.shape(tableMappings, names)
	if sh == nil {
		return Table{}
	}
	return Table{Relation: sh.rel, Keys: [][]string{{"data_import_id", "source_field"}}, Rows: func(yield func(*evidence.Row, error) bool) {
		w := im.writer(sh)
		for i, name := range im.names {
			if im.skipped(i) {
				continue
			}
			w.begin(im.list.Head().Line)
			target, confidence := im.target(i)
			w.strings(
				0, im.rowID(tableMappings, Key(im.ids.Import, name), name).String(), im.ids.Import.String(),
				im.opts.Tenant.ClientAccount.String(), im.ids.Flow.String(), name, target, "suggestion",
			)
			if confidence > 0 {
				w.string(7, strconv.FormatFloat(confidence, 'g', -1, 64))
			}
			w.strings(8, "suggested", "crew_generated")
			if im.opts.Store == AsMapped { // the application's class had no such attribute (2.3)
				w.string(10, im.opts.Tenant.Engagement.String())
			}
			if approved {
				w.string(8, "approved")
				w.strings(11, im.userText(), pgTime(im.ids.Time))
			}
			if !yield(w.end(), nil) {
				return
			}
		}
	}}
}

// skipped reports whether the application makes no mapping for a name (fact sheet 2.7).
func (im *Import) skipped(i int) bool {
	return im.opts.Mapping != nil && slices.Contains(im.opts.Mapping.Skipped, i)
}

// target is the column of assets that a name goes into, or UNMAPPED, and how sure the application is of it.
func (im *Import) target(i int) (string, float64) {
	if im.opts.Mapping != nil {
		for _, f := range im.opts.Mapping.Fields {
			if f.Index == i {
				return f.Target, f.Confidence
			}
		}
	}
	return mapping.UNMAPPED, 0
}
