"""The C-STORE SCP: who may send, what is taken, which status is answered."""
