// This file lets package componentize declare functions without a body.
