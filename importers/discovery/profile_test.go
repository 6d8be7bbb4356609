package discovery

import "testing"

func TestProfileIsOne(t *testing.T) {
	t.Parallel()
	p, err := Profile()
	if err != nil {
		t.Fatal(err)
	}
	if p.AsApp() == nil {
		t.Error("it says nothing of what the application did")
	}
}
