"""As micrograd does it: every operation leaves a closure that sends gradients back, and a flow beside `grad` of each call."""

import math


class Value:
    def __init__(self, data, parents=()):
        self.data, self.grad = float(data), 0.0
        self.parents = parents
        self.flow = 0.0
        self.send = lambda: None

    def __add__(self, other):
        other = other if isinstance(other, Value) else Value(other)
        out = Value(self.data + other.data, (self, other))

        def send():
            self.flow += out.flow
            other.flow += out.flow

        out.send = send
        return out

    def __mul__(self, other):
        other = other if isinstance(other, Value) else Value(other)
        out = Value(self.data * other.data, (self, other))

        def send():
            self.flow += other.data * out.flow
            other.flow += self.data * out.flow

        out.send = send
        return out

    def __truediv__(self, other):
        other = other if isinstance(other, Value) else Value(other)
        out = Value(self.data / other.data, (self, other))

        def send():
            self.flow += out.flow / other.data
            other.flow -= out.flow * self.data / (other.data * other.data)

        out.send = send
        return out

    def elementary(self, data, slope):
        out = Value(data, (self,))

        def send():
            self.flow += slope * out.flow

        out.send = send
        return out

    def __pow__(self, n):
        return self.elementary(self.data**n, 0.0 if n == 0 else n * self.data ** (n - 1))

    def exp(self):
        return self.elementary(math.exp(self.data), math.exp(self.data))

    def tanh(self):
        return self.elementary(math.tanh(self.data), 1.0 - math.tanh(self.data) ** 2)

    def relu(self):
        return self.elementary(self.data if self.data > 0 else 0.0, 1.0 if self.data > 0 else 0.0)

    def __neg__(self):
        return self.elementary(-self.data, -1.0)

    def __sub__(self, other):
        return self + (-other)

    def __rsub__(self, other):
        return Value(other) - self

    def __rtruediv__(self, other):
        return Value(other) / self

    __radd__ = __add__
    __rmul__ = __mul__

    def topological_order(self):
        """Depth first, with a stack of iterators over the parents."""
        order, seen, path = [], {id(self)}, [(self, iter(self.parents))]
        while path:
            value, parents = path[-1]
            for parent in parents:
                if id(parent) not in seen:
                    seen.add(id(parent))
                    path.append((parent, iter(parent.parents)))
                    break
            else:
                order.append(value)
                path.pop()
        return order

    def backward(self):
        order = self.topological_order()
        for value in order:
            value.flow = 0.0
        self.flow = 1.0
        for value in reversed(order):
            value.send()
        for value in order:
            value.grad += value.flow

    def zero_grad(self):
        for value in self.topological_order():
            value.grad = 0.0
