// Package client sends HTTP requests.
package client

import (
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/wasio-dev/wasio"
	handler "github.com/wasio-dev/wasio/examples/httpserver/generated/wasi_http_outgoing_handler"
	types "github.com/wasio-dev/wasio/examples/httpserver/generated/wasi_http_types"
	wasierror "github.com/wasio-dev/wasio/examples/httpserver/generated/wasi_io_error"
	"go.bytecodealliance.org/pkg/wit/runtime"
	wit "go.bytecodealliance.org/pkg/wit/types"
)

// Post sends a request with the body that write writes, and returns the status of the
// response. If the server answers before it has read all of the body and refuses the rest,
// write gets an error, and Post returns the status and no error.
func Post(authority, path string, write func(*wasio.Writer) error) (status uint16, err error) {
	defer runtime.Unpin()
	gc := debug.SetGCPercent(-1) // an error code may have a string: see pathOf in the handler
	defer debug.SetGCPercent(gc)

	request := types.MakeOutgoingRequest(types.MakeFields())
	request.SetMethod(types.MakeMethodPost())
	request.SetScheme(wit.Some(types.MakeSchemeHttp()))
	request.SetAuthority(wit.Some(authority))
	request.SetPathWithQuery(wit.Some(path))
	body := request.Body().Ok() // Body and Write fail only if called twice
	stream := body.Write().Ok()
	defer body.Drop() // unless it is finished: tells the server that it is not complete
	w := wasio.NewWriter(stream.TakeHandle())
	defer w.Close() // before body.Drop: the stream is a child of the body
	w.SetErrorDecoder(errorCode)

	// The request goes first: until the host has it, nobody reads the body.
	sent := handler.Handle(request, wit.None[*types.RequestOptions]())
	if sent.IsErr() {
		return 0, codeError(sent.Err())
	}
	future := sent.Ok()
	defer future.Drop()

	debug.SetGCPercent(gc)
	if err = write(w); err == nil {
		err = w.Close()
	}
	debug.SetGCPercent(-1)
	if err == nil {
		if r := types.OutgoingBodyFinish(body, wit.None[*types.Fields]()); r.IsErr() {
			err = codeError(r.Err())
		}
	}

	// If the host takes no more of the body, the response says why, or the error in its
	// place. After another error, such as a timeout, there may be a response all the same.
	if err == nil || refused(err) {
		ready := future.Subscribe()
		ready.Block()
		ready.Drop()
	}
	response := future.Get()
	if response.IsNone() {
		return 0, err
	}
	result := response.Some().Ok() // Get fails only if called twice
	if result.IsErr() {
		return 0, codeError(result.Err())
	}
	defer result.Ok().Drop()
	return result.Ok().Status(), nil
}

// refused reports whether err says that the host takes no more of the body, for any reason.
func refused(err error) bool {
	var e *wasio.Error
	return errors.As(err, &e) && !e.Timeout() && !e.Source
}

// errorCode returns the error code of a failed write, or nil if it has none.
func errorCode(err wasio.ErrorHandle) error {
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	code := types.HttpErrorCode(wasierror.ErrorFromBorrowHandle(int32(err)))
	if code.IsNone() {
		return nil
	}
	return codeError(code.Some())
}

func codeError(code types.ErrorCode) error {
	if code.Tag() == types.ErrorCodeConnectionRefused {
		return errors.New("connection refused")
	}
	return fmt.Errorf("error code %d", code.Tag())
}
