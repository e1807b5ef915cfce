"""Maps from one network's activations to another's, fitted to rows that correspond, simplest first."""
