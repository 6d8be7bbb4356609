package discovery

// lost is what the file cannot give back.
func (im *Import) lost() []string {
	lost := []string{
		"created_at, started_at and the other times that the database takes from its own clock: they are those of the import into the target",
	}
	if !im.summary.Known {
		lost = append(lost, "the ids that the application made: nothing knows them, so others are made, the same every time")
	}
	return lost
}
