// Package calls has the counter of the guest's counting variant, in which every imported
// function adds one. In the variant that is measured nothing does.
package calls

// N is how many host calls the program has made.
var N uint64
