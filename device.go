package sallyport

import (
	"context"
	"fmt"
	"net/http"
)

// DeviceConfirmationRequest is the body of POST
// /v1/userauth/device_confirmation.
type DeviceConfirmationRequest struct {
	Email string `json:"email"` // at most 254 bytes
}

// DeviceConfirmation is the answer of POST
// /v1/userauth/device_confirmation/{code}. The device itself comes as a
// cookie.
type DeviceConfirmation struct {
	UserEmail string `json:"user_email"` // whose device it is now
}

// RequestDeviceConfirmation asks for a mail with which the owner of an address
// confirms a device, when too many wrong passwords have closed the account to
// new ones. It returns the server's sentence, which is the same whether or not
// somebody has the address.
func (c *Client) RequestDeviceConfirmation(ctx context.Context, email string) (string, error) {
	anonymous := *c
	anonymous.Token = ""
	var out Message
	err := anonymous.call(ctx, http.MethodPost, []string{"v1", "userauth", "device_confirmation"}, nil, DeviceConfirmationRequest{Email: email}, &out)
	return out.Message, err
}

// ConfirmDevice confirms this machine with a mailed code. Keep the device for
// the next Login of the address that is returned.
func (c *Client) ConfirmDevice(ctx context.Context, code string) (email, device string, err error) {
	anonymous := *c
	anonymous.Token = ""
	path, err := escapePath([]string{"v1", "userauth", "device_confirmation", code})
	if err != nil {
		return "", "", err
	}
	var out DeviceConfirmation
	header, err := anonymous.do(ctx, request{method: http.MethodPost, path: path}, &out)
	if err != nil {
		return "", "", err
	}
	if device = deviceCookie(header); device == "" {
		return "", "", fmt.Errorf("the server sent no cookie for this device: try again")
	}
	return out.UserEmail, device, nil
}
