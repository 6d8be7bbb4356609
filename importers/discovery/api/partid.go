package api

import (
	"strconv"

	"github.com/google/uuid"
)

// partID is the id of one batch of an import: the same for the same batch.
func partID(id string, number int) string {
	space, err := uuid.Parse(id)
	if err != nil {
		space = uuid.NameSpaceOID
	}
	return uuid.NewSHA1(space, []byte("part "+strconv.Itoa(number)+" of "+id)).String()
}
