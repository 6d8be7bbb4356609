package casefile

import (
	"github.com/pgrescue/pgrescue/recover/evidence"
)

// The numbers of schema.sql; 0 stands for a word that is not known.

func routeID(r evidence.Route) int64 {
	switch r {
	case evidence.RouteHeap:
		return 1
	case evidence.RouteWAL:
		return 2
	case evidence.RouteStream:
		return 3
	case evidence.RoutePITR:
		return 4
	case evidence.RouteDump:
		return 5
	case evidence.RouteImport:
		return 6
	case evidence.RouteLogs:
		return 7
	}
	return 0
}

func routeOf(id int64) evidence.Route {
	if list := evidence.Routes(); id > 0 && int(id) <= len(list) {
		return list[id-1]
	}
	return ""
}

func confidenceID(c evidence.Confidence) int64 {
	switch c {
	case evidence.Proven:
		return 1
	case evidence.Derived:
		return 2
	}
	return 3
}

func confidenceOf(id int64) evidence.Confidence {
	switch id {
	case 1:
		return evidence.Proven
	case 2:
		return evidence.Derived
	}
	return evidence.Claimed
}

func operationID(op evidence.Operation) int64 {
	switch op {
	case evidence.OpDelete:
		return 1
	case evidence.OpUpdate:
		return 2
	case evidence.OpDropColumn:
		return 3
	case evidence.OpTruncate:
		return 4
	case evidence.OpDrop:
		return 5
	}
	return 0
}

func operationOf(id int64) evidence.Operation {
	switch id {
	case 1:
		return evidence.OpDelete
	case 2:
		return evidence.OpUpdate
	case 3:
		return evidence.OpDropColumn
	case 4:
		return evidence.OpTruncate
	case 5:
		return evidence.OpDrop
	}
	return ""
}
