package discovery

import (
	_ "embed"

	"github.com/pgrescue/pgrescue/importers/mapping"
)

// profileText is the profile as people see it, comments included.
//
//go:embed profile.yaml
var profileText string

// ProfileName is what --profile calls it.
const ProfileName = "discovery"

// Profile is the one that ships inside; its AsApp is what the application did.
func Profile() (*mapping.Profile, error) {
	return mapping.Parse(ProfileName+" (built in)", []byte(profileText))
}
