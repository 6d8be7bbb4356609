package discovery

import (
	"slices"
	"strings"
)

// lost is what the file cannot give back, in sentences.
func (im *Import) lost() []string {
	lost := []string{
		"when things happened: created_at, started_at and the like are the target's own, and what the application took from its clock is the time of the import, if it is known, or of this run",
	}
	if !im.summary.Known {
		lost = append(lost, "the ids that the application made: nothing tells them, so others are made, the same every time")
	}
	lost = append(lost, "what happened to the import after it was stored: its status and progress, errors, and completed_at")
	if im.reaches(Mapped) {
		lost = append(lost,
			"the states of the flows beyond the copy of the rows: phases, what agents found, and discovery_flows.field_mappings",
			"what a person changed by hand, in a field mapping or in an asset",
		)
	}
	if dropped := im.droppedHeaders(); im.reaches(Assets) && len(dropped) > 0 {
		lost = append(lost, "as the application did, these are in raw_data and custom_attributes alone, and in no column of assets: "+strings.Join(dropped, ", "))
	}
	return lost
}

// droppedHeaders are those that mean a column which the application left empty (fact sheet 2.3).
func (im *Import) droppedHeaders() []string {
	if im.opts.Store != AsApp || im.opts.Mapping == nil {
		return nil
	}
	var dropped []string
	for _, f := range im.opts.Mapping.Fields {
		kept := slices.Contains([]string{"name", "hostname", "ip_address", "asset_type", "operating_system", "environment"}, f.Header)
		if !kept && !slices.ContainsFunc(im.extra, func(e extraField) bool { return e.header == f.Header }) {
			dropped = append(dropped, f.Header)
		}
	}
	return dropped
}
