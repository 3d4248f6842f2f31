"""Operations by name, slopes worked out on the way back, and an order found by counting who still has to come (Kahn)."""

import math

SLOPES = {
    "+": lambda y, a, b: (1.0, 1.0),
    "-": lambda y, a, b: (1.0, -1.0),
    "*": lambda y, a, b: (b, a),
    "/": lambda y, a, b: (1.0 / b, -y / b),
    "exp": lambda y, a: (y,),
    "tanh": lambda y, a: ((1.0 - y) * (1.0 + y),),
    "relu": lambda y, a: (1.0 if y > 0.0 else 0.0,),
}


class Value:
    def __init__(self, data, name="", sources=(), exponent=None):
        self.data, self.grad = float(data), 0.0
        self.name, self.sources, self.exponent = name, sources, exponent

    @staticmethod
    def of(number):
        return number if type(number) is Value else Value(number)

    def __add__(self, other):
        other = Value.of(other)
        return Value(self.data + other.data, "+", (self, other))

    def __sub__(self, other):
        other = Value.of(other)
        return Value(self.data - other.data, "-", (self, other))

    def __mul__(self, other):
        other = Value.of(other)
        return Value(self.data * other.data, "*", (self, other))

    def __truediv__(self, other):
        other = Value.of(other)
        return Value(self.data / other.data, "/", (self, other))

    def __radd__(self, other):
        return Value.of(other) + self

    def __rsub__(self, other):
        return Value.of(other) - self

    def __rmul__(self, other):
        return Value.of(other) * self

    def __rtruediv__(self, other):
        return Value.of(other) / self

    def __neg__(self):
        return 0 - self

    def __pow__(self, exponent):
        return Value(self.data**exponent, "**", (self,), exponent)

    def exp(self):
        return Value(math.exp(self.data), "exp", (self,))

    def tanh(self):
        return Value(math.tanh(self.data), "tanh", (self,))

    def relu(self):
        return Value(self.data * (self.data > 0), "relu", (self,))

    def slopes(self):
        if self.name == "**":
            return (self.exponent * self.sources[0].data ** (self.exponent - 1) if self.exponent else 0.0,)
        return SLOPES[self.name](self.data, *(source.data for source in self.sources)) if self.name else ()

    def topological_order(self):
        uses, found = {self: 0}, [self]
        for value in found:
            for source in value.sources:
                if source not in uses:
                    uses[source] = 0
                    found.append(source)
                uses[source] += 1
        order, ready = [], [self]
        while ready:
            value = ready.pop()
            order.append(value)
            for source in value.sources:
                uses[source] -= 1
                if not uses[source]:
                    ready.append(source)
        return order[::-1]

    def backward(self):
        order = self.topological_order()[::-1]
        flow = dict.fromkeys(order, 0.0)
        flow[self] = 1.0
        for value in order:
            for source, slope in zip(value.sources, value.slopes(), strict=True):
                flow[source] += flow[value] * slope
        for value in order:
            value.grad += flow[value]

    def zero_grad(self):
        for value in self.topological_order():
            value.grad = 0.0
