package api

import (
	"crypto/subtle"
	"errors"
	"strings"
)

// route is one path of the contract; a segment of "*" is an id. The segment after
// the method's handlers is fixed text.
type route struct {
	path    []string
	methods map[string]func(*request)
	open    bool // answered without credentials
	endless bool // what GET answers has no end, so there is no HEAD
}

// routes lists all paths, those called most first.
var routes = []route{
	at("/v1/availability/*", "GET", (*request).getAvailability),
	at("/v1/availability", "POST", (*request).postAvailability),
	at("/v1/reservations", "POST", (*request).postReservation, "GET", (*request).listReservations),
	at("/v1/reservations/*", "GET", (*request).getReservation),
	at("/v1/reservations/*/*", "POST", (*request).postTransition),
	at("/v1/transfers", "POST", (*request).postTransfer),
	at("/v1/transfers/*", "GET", (*request).getTransfer),
	at("/v1/transfers/*/*", "POST", (*request).changeTransfer),
	at("/v1/inbound", "GET", (*request).listInbound),
	at("/v1/events", "POST", (*request).postEvents),
	{path: []string{"v1", "hooks", "*"}, methods: map[string]func(*request){"POST": (*request).postHook}, open: true},
	at("/v1/imports", "POST", (*request).postImport, "GET", (*request).getImports),
	at("/v1/imports/*", "GET", (*request).getImport),
	at("/v1/positions/*/*", "GET", (*request).getPosition),
	at("/v1/positions/*/*/entries", "GET", (*request).getEntries),
	at("/v1/freshness", "GET", (*request).getFreshness),
	endlessAt("/v1/feed", (*request).getFeed),
	at("/v1/exceptions", "GET", (*request).listExceptions),
	at("/v1/exceptions/*", "GET", (*request).getException),
	at("/v1/exceptions/*/resolve", "POST", (*request).resolveException),
	at("/v1/sources", "GET", (*request).listSources),
	at("/v1/accuracy", "GET", (*request).getAccuracy),
	at("/v1/dead-letters", "GET", (*request).getDeadLetters),
	at("/v1/dead-letters/replay", "POST", (*request).replayDeadLetters),
	at("/v1/dead-letters/*", "GET", (*request).getDeadLetter),
	at("/v1/dead-letters/*/replay", "POST", (*request).replayDeadLetter),
	at("/v1/locations", "GET", (*request).listLocations),
	at("/v1/locations/*", "GET", (*request).getLocation, "PUT", (*request).putLocation, "DELETE", (*request).deleteLocation),
	at("/v1/skus", "GET", (*request).listSKUs),
	at("/v1/skus/*", "GET", (*request).getSKU, "PUT", (*request).putSKU, "DELETE", (*request).deleteSKU),
	at("/v1/aliases", "GET", (*request).listAliases, "POST", (*request).postAlias),
	at("/v1/aliases/*/*", "GET", (*request).getAlias, "PUT", (*request).putAlias, "DELETE", (*request).deleteAlias),
	at("/v1/policies/safety-stock", "GET", (*request).getSafety, "PUT", (*request).putSafety, "PATCH", (*request).patchSafety),
	openAt("/metrics", (*request).getMetrics),
	openAt("/healthz", (*request).getHealth),
	openAt("/readyz", (*request).getReady),
}

func at(path string, methods ...any) route {
	r := route{path: strings.Split(path[1:], "/"), methods: make(map[string]func(*request))}
	for i := 0; i < len(methods); i += 2 {
		r.methods[methods[i].(string)] = methods[i+1].(func(*request))
	}
	return r
}

func openAt(path string, get func(*request)) route {
	r := at(path, "GET", get)
	r.open = true
	return r
}

func endlessAt(path string, get func(*request)) route {
	r := at(path, "GET", get)
	r.endless = true
	return r
}

// handler is who answers the method, or nil. HEAD is answered as GET is; the HTTP
// library leaves the body out.
func (rt *route) handler(method []byte) func(*request) {
	if string(method) == "HEAD" && !rt.endless {
		return rt.methods["GET"]
	}
	return rt.methods[string(method)]
}

func (rt *route) matches(r *request) bool {
	if len(rt.path) != r.depth {
		return false
	}
	for i, seg := range rt.path {
		if seg != "*" && seg != string(r.segments[i]) {
			return false
		}
	}
	return true
}

// route finds who answers the request and lets them.
func (s *Server) route(r *request) {
	if err := r.parseTarget(); err != nil {
		if errors.Is(err, errTooDeep) {
			r.problem("not-found", err.Error())
			return
		}
		r.invalid(err)
		return
	}
	for i := range routes {
		rt := &routes[i]
		if !rt.matches(r) {
			continue
		}
		if !rt.open && !r.authorized() {
			r.problem("unauthorized", "an Authorization: Bearer header with a known key is needed")
			return
		}
		handler := rt.handler(r.ctx.Method())
		if handler == nil {
			r.ctx.Response.Header.Set("Allow", rt.allow())
			r.problem("method-not-allowed", "this path takes "+rt.allow())
			return
		}
		handler(r)
		return
	}
	r.problem("not-found", "no such path")
}

func (rt *route) allow() string {
	var names []string
	for _, m := range []string{"GET", "PUT", "POST", "PATCH", "DELETE"} {
		if rt.methods[m] != nil {
			names = append(names, m)
		}
		if m == "GET" && rt.handler([]byte("HEAD")) != nil {
			names = append(names, "HEAD")
		}
	}
	return strings.Join(names, ", ")
}

// authorized compares with every key, in constant time, so that the time taken tells nothing.
func (r *request) authorized() bool {
	if len(r.s.Keys) == 0 {
		return true
	}
	scheme, token, _ := strings.Cut(string(r.ctx.Request.Header.Peek("Authorization")), " ")
	ok := strings.EqualFold(scheme, "Bearer")
	known := 0
	for _, k := range r.s.Keys {
		known |= subtle.ConstantTimeCompare([]byte(k), []byte(token))
	}
	return ok && known == 1
}
