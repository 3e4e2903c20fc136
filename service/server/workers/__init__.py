"""The processes of one service: a supervisor and its workers, or the server alone."""
