package runbook

// Followed is what the journal of a run says was done.
type Followed struct {
	Folder   string   `json:"folder"` // absolute
	Title    string   `json:"title"`  // of the book, as it was when the run began
	Who      string   `json:"who"`
	Host     string   `json:"host"`
	Began    string   `json:"began"`
	Visits   []*Visit `json:"visits"`
	Problems []string `json:"problems,omitempty"` // what is wrong with the journal
	// Titles are those of the steps, by their anchors: the number first, where they have one.
	Titles map[string]string `json:"titles"`
}

// ReadFollowed reads the journal of a run, without taking part in it.
func ReadFollowed(folder string) (*Followed, error) {
	folder, rec, book, err := openRun(folder)
	if err != nil {
		return nil, err
	}
	h, err := readHistory(folder)
	if err != nil {
		return nil, err
	}
	f := &Followed{Folder: folder, Title: book.Title, Who: rec.Who, Host: rec.Host, Began: rec.Began, Visits: h.visits, Problems: h.problems, Titles: make(map[string]string)}
	for _, step := range book.Steps {
		f.Titles[step.ID] = step.Title
		if step.Number != "" {
			f.Titles[step.ID] = step.Number + ". " + step.Title
		}
	}
	return f, nil
}
